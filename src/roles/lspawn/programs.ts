// Programs of accounts: each alone under a number of its own, without network, in a place of its own (docs/dotqmail.md).

import fs from "node:fs";
import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { messageOf } from "#base/problem.ts";
import type { SliceOf } from "#config/slice.ts";
import type { Logger } from "#log/logger.ts";
import { programReport } from "#store/dotqmail/delivery.ts";
import { STOPPED } from "#store/dotqmail/follow.ts";
import type { LetterBody } from "#store/maildir/deliver.ts";
import type { Recent } from "#store/maildir/recent.ts";
import { Scratch } from "#sys/scratch.ts";
import { boundsBefore, runShell } from "#sys/shell.ts";
import { apart, mayBecomeOthers, mayMakeNamespaces } from "#sys/userchild.ts";
import type { ProgramRun } from "#talk/lspawn.ts";
import type { ProgramEnd } from "#wire/dotqmail/report.ts";
import { reportText } from "#wire/dotqmail/report.ts";
import { asLines } from "#wire/message/binary.ts";
import { ToUnix } from "#wire/message/unix.ts";

export interface ProgramsOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly slice: () => SliceOf<"lspawn">;
  readonly record: Recent;
  readonly openBody: (place: ProgramRun["place"]) => Promise<LetterBody & { close(): Promise<void> }>;
  readonly searchPath: string;
}

interface Ended {
  readonly end: ProgramEnd;
  readonly report: string;
}

const later = (report: string): Ended => ({ end: "deferred", report });

export class Programs {
  readonly #options: ProgramsOptions;
  readonly #busy = new Set<number>();
  readonly #waiting: (() => void)[] = [];
  /** Programs, running or waiting, by accounts. */
  readonly #accounts = new Map<string, number>();

  constructor(options: ProgramsOptions) {
    this.#options = options;
  }

  /** Runs it, unless the record says that it is done; never rejects. */
  async run(question: ProgramRun): Promise<Ended> {
    const { log, slice, record } = this.#options;
    const { id, index, key, again } = question;
    if (slice().programs.length === 0) return later("Programs are not allowed for accounts here. (#4.7.0)");
    if (!mayBecomeOthers() || !mayMakeNamespaces())
      return later("Programs of accounts need a server that was started as root. (#4.7.0)");
    try {
      const name = `${id}.${index}.${key}`;
      const before = again ? await record.behind(name) : [];
      if (before.includes("")) return { end: "done", report: "" };
      if (before.includes(STOPPED)) return { end: "stop", report: "" };
      const ended = await this.#counted(question.account, () =>
        this.#alone((uid) => this.#one(question, uid)),
      );
      if (ended.end === "done" || ended.end === "stop") {
        const sync = await record.add(ended.end === "stop" ? `${name}${STOPPED}` : name);
        await sync();
      }
      return { ...ended, report: reportText(ended.report) };
    } catch (thrown) {
      log.event("trouble", { id, text: messageOf(thrown) });
      return later("The program cannot be run now. (#4.3.0)");
    }
  }

  /** One account keeps nobody else waiting. */
  async #counted(account: string, run: () => Promise<Ended>): Promise<Ended> {
    const before = this.#accounts.get(account) ?? 0;
    if (before >= limits.lspawn.programsOfAccount)
      return later("Too many programs of this account run already. (#4.3.2)");
    this.#accounts.set(account, before + 1);
    try {
      return await run();
    } finally {
      const left = (this.#accounts.get(account) ?? 1) - 1;
      if (left > 0) this.#accounts.set(account, left);
      else this.#accounts.delete(account);
    }
  }

  /** With a number that nobody else has meanwhile. */
  async #alone(run: (uid: number) => Promise<Ended>): Promise<Ended> {
    const { programs } = this.#options.slice();
    let uid = programs.find((each) => !this.#busy.has(each));
    while (uid === undefined) {
      if (this.#waiting.length >= limits.lspawn.programsWaiting)
        return later("Too many programs of accounts wait already. (#4.3.2)");
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
      uid = programs.find((each) => !this.#busy.has(each));
    }
    this.#busy.add(uid);
    try {
      return await run(uid);
    } finally {
      this.#busy.delete(uid);
      this.#waiting.shift()?.();
    }
  }

  async #one({ place, body, command, variables }: ProgramRun, uid: number): Promise<Ended> {
    const { clock, slice, openBody, searchPath } = this.#options;
    const { bounds, time } = slice();
    using message = new Scratch();
    const source = await openBody(place);
    try {
      const codec = new ToUnix();
      const lines = await asLines(source, body);
      for await (const chunk of lines.chunks()) message.write(codec.feed(chunk));
      message.write(codec.end());
    } finally {
      await source.close();
    }
    const input = message.reader();
    try {
      const given = Object.fromEntries(variables.map(([name = "", value = ""]) => [name, value]));
      const ran = await runShell(command, {
        clock,
        input,
        directory: "/",
        environment: { ...given, PATH: searchPath },
        before: [...apart({ uid, gid: uid }), ...boundsBefore(bounds)],
        time,
      });
      return programReport(ran);
    } finally {
      fs.closeSync(input);
    }
  }
}
