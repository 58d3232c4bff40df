// gate and reader in this process over real sockets, with an auth that knows a few people: what reading mail is tested against.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Clock, systemClock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import type { SlicedRole, SliceOf } from "#config/slice.ts";
import { Logger } from "#log/logger.ts";
import type { RoleContext } from "#roles/boot.ts";
import { start as startGate } from "#roles/gate/main.ts";
import { start as startReader } from "#roles/reader/main.ts";
import { bindTcp } from "#sys/child.ts";
import type { Answering } from "#sys/local.ts";
import { answerVerbs, on } from "#talk/answerer.ts";
import { type LoginAnswer, login, redeem } from "#talk/login.ts";
import type { DialogTarget, Given } from "./dialog.ts";
import { gateListener, testCertificate } from "./listeners.ts";
import { freePort, loopbackClient } from "./loopback.ts";

export type DoorName = "imap" | "imaps" | "pop3" | "pop3s";

const doors = [
  gateListener("imap", { protocol: "imap" }),
  gateListener("imaps", { protocol: "imap", tls: "implicit" }),
  gateListener("pop3", { protocol: "pop3" }),
  gateListener("pop3s", { protocol: "pop3", tls: "implicit" }),
];

export interface ReadingOptions {
  readonly clock?: Clock;
  /** "user:password" each. */
  readonly users?: readonly string[];
}

interface Place {
  readonly user?: string;
  /** Directory below the Maildir: "" or ".Sent". */
  readonly folder?: string;
  readonly place?: "new" | "cur";
  readonly flags?: string;
}

/** The temporary server; everything below `directory` goes when it stops. */
export class ReadingWorld {
  readonly directory = mkdtempSync(path.join(tmpdir(), "kenro-reading-"));
  /** The log. */
  readonly lines: string[] = [];
  readonly ports: Record<DoorName, number> = { imap: 0, imaps: 0, pop3: 0, pop3s: 0 };
  readonly #users: ReadonlyMap<string, string>;
  readonly #clock: Clock;
  readonly #tickets = new Map<string, string>();
  readonly #closing: (() => Promise<void> | void)[] = [];
  #auth: readonly Answering[] = [];
  #count = 0;

  private constructor({ users, clock }: ReadingOptions) {
    const known = users ?? ["ann@example.test:secret", "bob@example.test:geheim", "nobody@example.test:x"];
    this.#users = new Map(known.map((each) => [each.split(":")[0] ?? "", each.split(":")[1] ?? ""]));
    this.#clock = clock ?? systemClock;
  }

  static async start(options: ReadingOptions = {}): Promise<ReadingWorld> {
    const world = new ReadingWorld(options);
    await world.#open();
    return world;
  }

  maildir(user = "ann@example.test", folder = ""): string {
    return path.join(this.directory, user, "Maildir", folder);
  }

  /** Puts a message file there, as delivery does; its name. */
  put(content: string | Buffer, { user, folder, place = "new", flags }: Place = {}): string {
    const directory = this.maildir(user, folder);
    for (const each of ["tmp", "new", "cur"]) mkdirSync(path.join(directory, each), { recursive: true });
    const bytes = typeof content === "string" ? Buffer.from(content, "latin1") : content;
    this.#count++;
    const base = `${1_760_000_000 + this.#count}.t${this.#count}.0.mx.example.test,S=${bytes.length}`;
    const name = flags === undefined ? base : `${base}:2,${flags}`;
    writeFileSync(path.join(directory, place, name), bytes);
    return name;
  }

  /** A client on one of the ports. */
  connect(door: DoorName) {
    return loopbackClient(this.ports[door], { tls: door.endsWith("s") });
  }

  /** From now on auth answers that it cannot answer. */
  loseAuth(): void {
    this.#lost = true;
  }

  async startAuth(): Promise<void> {
    const quiet = { trouble: () => {} };
    const redeemed = (ticket: string) => {
      const user = this.#tickets.get(ticket);
      this.#tickets.delete(ticket);
      return user === undefined
        ? ({ kind: "unknown" } as const)
        : ({ kind: "redeemed", account: user, maildir: this.maildir(user) } as const);
    };
    this.#auth = await Promise.all([
      answerVerbs(this.#socket("auth", "gate"), [on(login, (asked) => this.#login(asked))], quiet),
      answerVerbs(this.#socket("auth", "reader"), [on(redeem, ({ ticket }) => redeemed(ticket))], quiet),
    ]);
  }

  async stop(): Promise<void> {
    for (const close of this.#closing.reverse()) await close();
    for (const each of this.#auth) each.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  #lost = false;

  #login({ user, password }: { readonly user: string; readonly password: string }): LoginAnswer {
    if (this.#lost) throw new Error("auth is away");
    if (this.#users.get(user) !== password) return { kind: "denied" };
    const ticket = `t${++this.#count}`;
    // nobody's login is right, but no reader can do anything with the ticket
    if (!user.startsWith("nobody")) this.#tickets.set(ticket, user);
    return { kind: "welcome", account: user, addresses: [user], ticket, reader: 0 };
  }

  #socket(role: string, peer: string): string {
    return path.join(this.directory, `${role}-${peer}.sock`);
  }

  async #open(): Promise<void> {
    await this.startAuth();
    const bound = new Map<string, number>();
    for (const { name } of doors) {
      const port = await freePort();
      this.ports[name as DoorName] = port;
      bound.set(name, bindTcp("127.0.0.1", port).fd);
    }
    const log = "debug" as const;
    const hostname = "mx.example.test";
    const reader = await startReader({
      ...this.#context("reader", { log, hostname }),
      // a path does as well as a descriptor
      answers: () => this.#socket("reader", "gate") as unknown as number,
    });
    const gate = await startGate({
      ...this.#context("gate", {
        log,
        hostname,
        listeners: doors,
        certificates: [testCertificate],
        connections: limits.gate.connections,
        exempt: [],
      }),
      listener: (name) => bound.get(name) ?? -1,
    });
    this.#closing.push(
      () => gate.stop(),
      () => reader.stop(),
    );
  }

  #context<R extends SlicedRole>(role: R, slice: SliceOf<R>): RoleContext<R> {
    return {
      role,
      index: 0,
      slice,
      clock: this.#clock,
      log: new Logger({ role, clock: this.#clock, level: "debug", sink: (line) => this.lines.push(line) }),
      listener: () => -1,
      answers: () => -1,
      socketOf: (other) => this.#socket(other, role),
    };
  }
}

/** A message in the form files have: LF lines, one that begins with a dot. */
export const sampleMail = (at: number): string =>
  [
    "From: Ann Example <ann@example.test>",
    "To: bob@example.test",
    `Subject: message ${at}`,
    "Date: Thu, 01 Jan 2026 10:00:00 +0000",
    `Message-ID: <m${at}@example.test>`,
    "",
    `body ${at}`,
    ".dot",
    "",
  ].join("\n");

/** What a dialog runs against: `door=` imap (the standard), imaps, pop3 or pop3s; `mail=N` puts so many messages into INBOX. */
export async function readingTarget(given: Given): Promise<DialogTarget> {
  const world = await ReadingWorld.start();
  for (let at = 1; at <= Number(given["mail"] ?? 0); at++) world.put(sampleMail(at));
  const door = (given["door"] ?? "imap") as DoorName;
  return { connect: () => world.connect(door), wait: () => Promise.resolve(), stop: () => world.stop() };
}
