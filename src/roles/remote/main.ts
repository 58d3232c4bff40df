// remote: takes messages to other servers for the queue. It may only connect and look names up; it reads the spool and writes nothing.

import { limits } from "#base/limits.ts";
import { messageOf } from "#base/problem.ts";
import type { SliceOf } from "#config/slice.ts";
import { type BodySource, openBody } from "#store/spool/source.ts";
import { realDisk } from "#sys/disk.ts";
import { dnsResolver, type Exchanger, type Resolver } from "#sys/resolver.ts";
import { answerVerbs, on } from "#talk/answerer.ts";
import { type Delivered, type Delivery, deliver } from "#talk/deliver.ts";
import type { Outcome } from "#wire/envelope.ts";
import type { RoleContext, Running } from "../boot.ts";
import { attempt, type Target } from "./client.ts";

type Slice = SliceOf<"remote">;

const deferred = (code: string, text: string): Outcome => ({ kind: "deferred", why: { code, text } });
const failed = (code: string, text: string): Outcome => ({ kind: "failed", why: { code, text } });

class Remote {
  readonly #context: RoleContext<"remote">;
  #slice: Slice;
  #resolver: Resolver;

  constructor(context: RoleContext<"remote">) {
    this.#context = context;
    this.#slice = context.slice;
    this.#resolver = dnsResolver(context.slice.dnsServers);
  }

  take(slice: Slice): void {
    this.#slice = slice;
    this.#resolver = dnsResolver(slice.dnsServers);
  }

  async deliver(delivery: Delivery): Promise<Delivered> {
    const all = (outcome: Outcome): Delivered => ({
      outcomes: delivery.recipients.map(({ index }) => ({ index, outcome })),
    });
    let body: BodySource | undefined;
    try {
      const hosts = await this.#exchangers(delivery.domain);
      if (!Array.isArray(hosts)) return all(hosts as Outcome);
      body = await openBody(realDisk, "spool", delivery.place);
      return await this.#tryAll(hosts, delivery, body);
    } catch (thrown) {
      this.#context.log.event("trouble", { id: delivery.id, text: messageOf(thrown) });
      return all(deferred("4.3.0", "The message cannot be sent now"));
    } finally {
      await body?.close();
    }
  }

  /** Where mail for a domain goes, best first (RFC 5321 §5.1); or why nowhere. */
  async #exchangers(
    domain: string,
  ): Promise<readonly { readonly host: string; readonly port: number }[] | Outcome> {
    const { smarthost, port } = this.#slice;
    if (smarthost !== "") {
      const [host = "", own] = smarthost.split(/:(?=\d+$)/);
      return [{ host: host.replace(/^\[|\]$/g, ""), port: own ? Number(own) : port }];
    }
    const literal = /^\[(?:IPv6:)?([0-9A-Fa-f:.]+)\]$/i.exec(domain)?.[1];
    if (literal) return [{ host: literal, port }];
    const found = await this.#resolver.mx(domain);
    if (found.kind === "later") return deferred("4.4.3", `The name ${domain} cannot be looked up now`);
    // RFC 5321 §5.1: without MX records the domain itself is the exchanger
    if (found.kind === "none") return [{ host: domain, port }];
    // RFC 7505
    if (found.values.every(({ host }) => host === "" || host === "."))
      return failed("5.1.10", `${domain} takes no mail`);
    return sorted(found.values)
      .slice(0, limits.remote.exchangers)
      .map(({ host }) => ({ host, port }));
  }

  async #tryAll(
    hosts: readonly { readonly host: string; readonly port: number }[],
    delivery: Delivery,
    body: BodySource,
  ): Promise<Delivered> {
    let why = "";
    let known = false;
    let later = false;
    for (const { host, port } of hosts) {
      const found = await this.#resolver.addresses(host);
      if (found.kind === "later") later = true;
      if (found.kind !== "found") continue;
      known = true;
      for (const address of found.values.slice(0, limits.remote.addresses)) {
        const outcomes = await this.#tryOne({ host, address, port }, delivery, body);
        if (typeof outcomes !== "string")
          return { outcomes: [...outcomes].map(([index, each]) => ({ index, outcome: each })) };
        why = `${host} [${address}]: ${outcomes}`;
      }
    }
    const outcome =
      known || later
        ? deferred(
            "4.4.1",
            why === ""
              ? `The exchangers of ${delivery.domain} cannot be looked up now`
              : `Cannot reach ${why}`.slice(0, 1900),
          )
        : failed("5.1.2", `There is no host that takes mail for ${delivery.domain}`);
    return { outcomes: delivery.recipients.map(({ index }) => ({ index, outcome })) };
  }

  /** The outcomes, or why the next address has to be tried. */
  async #tryOne(
    where: Pick<Target, "host" | "address" | "port">,
    delivery: Delivery,
    body: BodySource,
  ): Promise<ReadonlyMap<number, Outcome> | string> {
    const { hostname, sourceAddress } = this.#slice;
    const target = { ...where, hello: hostname, source: sourceAddress };
    let result = await attempt({ ...target, tls: true }, delivery, body);
    if (result.kind === "clear") result = await attempt({ ...target, tls: false }, delivery, body);
    const { host, address: ip } = where;
    const shown = result.kind === "next" ? result.why : result.kind;
    const tls = result.kind === "done" ? result.tls : undefined;
    this.#context.log.event("remote_attempt", { id: delivery.id, host, ip, tls, result: shown });
    return result.kind === "done" ? result.outcomes : result.kind === "next" ? result.why : "TLS failed";
  }
}

/** By preference; those of the same preference in random order (RFC 5321 §5.1). */
const sorted = (exchangers: readonly Exchanger[]): readonly Exchanger[] =>
  exchangers
    .map((each) => ({ each, lot: Math.random() }))
    .sort((a, b) => a.each.preference - b.each.preference || a.lot - b.lot)
    .map(({ each }) => each);

export async function start(context: RoleContext<"remote">): Promise<Running<"remote">> {
  const remote = new Remote(context);
  const answering = await answerVerbs(
    context.answers("queue"),
    [on(deliver, (delivery) => remote.deliver(delivery))],
    {
      trouble: (text) => context.log.event("peer_garbage", { text }),
    },
  );
  context.log.event("ready");
  return {
    reload: (slice) => remote.take(slice),
    // a delivery that is cut off is tried again by the queue
    stop: async () => answering.close(),
  };
}
