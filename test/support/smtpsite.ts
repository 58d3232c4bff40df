// smtpd as boot.ts starts it: real listeners and talk sockets, with auth and queue answered here.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";
import { type Clock, systemClock } from "#base/clock.ts";
import type { SliceOf, SmtpListener } from "#config/slice.ts";
import { Logger } from "#log/logger.ts";
import type { SessionRecord } from "#policy/replay/record.ts";
import type { Running } from "#roles/boot.ts";
import { start } from "#roles/smtpd/main.ts";
import { bindTcp } from "#sys/child.ts";
import type { Answering } from "#sys/local.ts";
import { answerVerbs, on } from "#talk/answerer.ts";
import { answerInjections } from "#talk/inject.ts";
import { login } from "#talk/login.ts";
import { recipient } from "#talk/lookup.ts";
import * as recall from "#talk/recall.ts";
import type { DialogClient } from "./dialog.ts";
import { smtpListener, standardPolicy, testCertificate } from "./listeners.ts";
import { freePort } from "./loopback.ts";

type Slice = SliceOf<"smtpd">;

export interface SiteOptions {
  readonly listeners?: readonly SmtpListener[];
  readonly slice?: Partial<Slice>;
  readonly clock?: Clock;
}

/** The role and what it was told; ann@example.test is the only address, and no password is right. */
export class SmtpSite {
  /** Of the sockets, by name. */
  readonly ports: Readonly<Record<string, number>>;
  readonly bodies: string[] = [];
  /** The log. */
  readonly lines: string[] = [];
  readonly slice: Slice;
  /** What the ledger was told. */
  readonly notes: SessionRecord[] = [];
  readonly wrote: string[] = [];
  /** While it is set, the queue takes no more of any body. */
  stalled: Promise<void> | undefined;
  readonly #directory = mkdtempSync(path.join(tmpdir(), "kenro-smtpd-"));
  readonly #answering: Answering[] = [];
  #running: Running<"smtpd"> | undefined;

  private constructor(slice: Slice, ports: Readonly<Record<string, number>>) {
    this.slice = slice;
    this.ports = ports;
  }

  static async start(context: TestContext, options: SiteOptions = {}): Promise<SmtpSite> {
    const listeners = options.listeners ?? [
      smtpListener("mx"),
      smtpListener("submissions", { class: "submission", tls: "implicit" }),
    ];
    const ports: Record<string, number> = {};
    for (const socket of listeners.flatMap(({ sockets }) => sockets)) ports[socket] = await freePort();
    const slice: Slice = {
      log: "debug",
      hostname: "mail.example.test",
      certificates: [testCertificate],
      contact: "",
      xclient: [],
      connections: 1000,
      exempt: [],
      policy: standardPolicy,
      content: [],
      dnsServers: [],
      relayHosts: [],
      percentHack: [],
      bareHost: "mx.example.test",
      ...options.slice,
      listeners,
    };
    const site = new SmtpSite(slice, ports);
    context.after(() => site.#close());
    await site.#open(options.clock ?? systemClock);
    return site;
  }

  get running(): Running<"smtpd"> {
    if (!this.#running) throw new Error("It does not run");
    return this.#running;
  }

  port(name: string): number {
    return this.ports[name] ?? 0;
  }

  /** Events of a name in the log. */
  events(name: string): readonly string[] {
    return this.lines.filter((line) => line.includes(` smtpd ${name} `));
  }

  async #open(clock: Clock): Promise<void> {
    await this.#answer();
    const sink = (line: string) => void this.lines.push(line);
    this.#running = await start({
      role: "smtpd",
      index: 0,
      slice: this.slice,
      clock,
      log: new Logger({ role: "smtpd", clock, level: "debug", sink }),
      listener: (name) => bindTcp("127.0.0.1", this.port(name)).fd,
      answers: () => 0,
      socketOf: (other) => this.#path(other),
    });
  }

  async #close(): Promise<void> {
    await this.#running?.stop();
    for (const each of this.#answering) each.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #path(name: string): string {
    return path.join(this.#directory, `${name}.sock`);
  }

  async #answer(): Promise<void> {
    const trouble = (message: string) => void this.lines.push(message);
    const auth = [
      on(recipient, ({ address }) => ({ kind: kindOf(address) })),
      on(login, () => ({ kind: "denied" })),
    ];
    this.#answering.push(await answerVerbs(this.#path("auth"), auth, { trouble }));
    const ledger = [
      on(recall.meet, () => ({ known: false, reputation: 0, guesses: 0 })),
      on(recall.correspondent, () => ({ known: false })),
      on(recall.greylist, () => ({ kind: "pass" })),
      on(recall.regard, () => ({ hello: 0, domain: 0 })),
      on(recall.note, (session) => {
        this.notes.push(session);
        return {};
      }),
      on(recall.wrote, ({ recipients }) => {
        this.wrote.push(...recipients);
        return {};
      }),
    ];
    this.#answering.push(await answerVerbs(this.#path("ledger"), ledger, { trouble }));
    const queue = await answerInjections(this.#path("queue"), {
      prefix: () => "p1",
      trouble,
      begin: ({ id }) => {
        const parts: Buffer[] = [];
        return {
          write: (chunk) => {
            parts.push(Buffer.from(chunk));
            return this.stalled;
          },
          commit: async (fields) => {
            this.bodies.push(fields + Buffer.concat(parts).toString("latin1"));
            return { kind: "queued", id };
          },
          abort: () => {},
        };
      },
    });
    this.#answering.push(queue);
  }
}

function kindOf(address: string): "deliverable" | "unknown" | "elsewhere" {
  if (!address.endsWith("@example.test")) return "elsewhere";
  return address.startsWith("ann@") ? "deliverable" : "unknown";
}

/** Everything the server says until it closes or `pattern` has come. */
export async function until(client: DialogClient, pattern: RegExp): Promise<string> {
  let heard = "";
  while (!pattern.test(heard)) {
    const chunk = await client.receive();
    if (!chunk) break;
    heard += chunk.toString("latin1");
  }
  return heard;
}
