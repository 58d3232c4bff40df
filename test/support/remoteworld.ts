// The role remote with servers to send to, on loopback, and a DNS that knows them.

import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { systemClock } from "#base/clock.ts";
import { Logger } from "#log/logger.ts";
import { Remote, type RemoteOptions } from "#roles/remote/remote.ts";
import { NetworkResolver } from "#sys/resolver.ts";
import type { Delivered, Delivery } from "#talk/deliver.ts";
import { type Script, type Sink, startSink } from "./smtpsink.ts";
import { startZone, type Zones } from "./zone.ts";

export const BODY = "Subject: x\r\n\r\n.dot\r\nhi \xe4\r\n";
export const STUFFED = BODY.replace("\r\n.dot", "\r\n..dot");

/** Short where a test waits for it to pass, long where it must not. */
export const WAITS = {
  connect: 5000,
  greeting: 5000,
  command: 5000,
  dataStart: 5000,
  dataEnd: 5000,
  whole: 20_000,
};
export const HASTY = {
  connect: 100,
  greeting: 100,
  command: 100,
  dataStart: 100,
  dataEnd: 100,
  whole: 20_000,
};

export interface World {
  readonly remote: Remote;
  readonly sinks: readonly Sink[];
  readonly sink: Sink;
  readonly lines: string[];
}

/** A world of sinks on 127.0.0.1, .2, … (one port), `mx1.test`, `mx2.test`, … in this order for `d.test`. */
export async function world(
  context: TestContext,
  scripts: readonly (Script | "absent")[],
  over: Partial<RemoteOptions> & {
    readonly zones?: Zones | ((port: number) => Zones);
    readonly trusted?: readonly string[];
  } = {},
): Promise<World> {
  const sinks: Sink[] = [];
  const zones: Record<string, Zones[string]> = {};
  let port: number | undefined;
  for (const [at, script] of scripts.entries()) {
    const address = `127.0.0.${at + 1}`;
    zones[`mx${at + 1}.test`] = { A: [address] };
    if (script === "absent") continue;
    const sink = await startSink({ address, ...(port === undefined ? {} : { port }), ...script });
    port = sink.port;
    sinks.push(sink);
    context.after(() => sink.stop());
  }
  zones["d.test"] = { MX: scripts.map((_, at) => `${at + 1}0 mx${at + 1}.test`) };
  const given = typeof over.zones === "function" ? over.zones(port ?? 1) : over.zones;
  const zone = await startZone({ ...zones, ...given });
  context.after(() => zone.close());
  const lines: string[] = [];
  const remote = new Remote({
    clock: systemClock,
    log: new Logger({
      role: "remote",
      clock: systemClock,
      level: "debug",
      sink: (line) => void lines.push(line),
    }),
    hostname: "client.test",
    sourceAddress: "",
    port: port ?? 1,
    smarthost: "",
    routes: [],
    reporter: "",
    tell: () => {},
    authorities: "",
    sts: async () => ({ kind: "none" }),
    waits: WAITS,
    random: () => 0.999,
    resolver: new NetworkResolver({
      servers: [zone.server],
      clock: systemClock,
      timeout: 200,
      attempts: 1,
      trusted: over.trusted ?? [],
    }),
    openBody: async () => bodyOf(BODY),
    ...over,
  });
  context.after(() => remote.close());
  const [sink] = sinks;
  assert.ok(sink || scripts.every((script) => script === "absent"));
  return { remote, sinks, sink: sink as Sink, lines };
}

export function bodyOf(text: string, parts = 0) {
  const bytes = Buffer.from(text, "latin1");
  return {
    size: bytes.length,
    whole: parts === 0 ? bytes : undefined,
    async *chunks() {
      for (let at = 0; at < bytes.length; at += parts || bytes.length)
        yield bytes.subarray(at, at + (parts || bytes.length));
    },
    close: async () => {},
  };
}

export const delivery = (
  addresses: readonly string[] = ["ann@d.test"],
  over: Partial<Delivery> = {},
): Delivery => ({
  id: "abc-1",
  arrived: 1_700_000_000_000,
  sender: "sam@sender.test",
  body: "8bitmime",
  submitted: false,
  place: { kind: "file", name: "abc-1", size: BODY.length },
  again: false,
  domain: "d.test",
  recipients: addresses.map((address, index) => ({ index, address })),
  ...over,
});

/** "delivered", "deferred 4.4.1", … by index. */
export function short({ outcomes }: Delivered): string[] {
  const found: string[] = [];
  for (const { index, outcome } of outcomes)
    found[index] = "why" in outcome ? `${outcome.kind} ${outcome.why.code}` : outcome.kind;
  return found;
}

export const textOf = ({ outcomes }: Delivered): string => {
  const first = outcomes[0]?.outcome;
  if (!first) return "";
  return "why" in first ? first.why.text : first.by;
};
