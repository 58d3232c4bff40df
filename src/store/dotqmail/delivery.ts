// One delivery by a .qmail file, with the rights of its owner: the steps P3 to P6 of docs/dotqmail.md.

import fs from "node:fs";
import path from "node:path";
import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { messageOf } from "#base/problem.ts";
import { fileHost, type LetterBody, Mailbox } from "#store/maildir/deliver.ts";
import { appendToMbox, Unreadable } from "#store/mbox/append.ts";
import { openToAppend } from "#sys/appendfile.ts";
import { kindOf } from "#sys/ownfiles.ts";
import { quickDisk } from "#sys/quickdisk.ts";
import { systemReason } from "#sys/reason.ts";
import type { Scratch } from "#sys/scratch.ts";
import { boundsBefore, type ProcessBounds, type Ran, runShell } from "#sys/shell.ts";
import {
  deliveredTo,
  fromLine,
  newSender,
  type Owner,
  returnPath,
  type Target,
  variablesFor,
} from "#wire/dotqmail/environment.ts";
import { parseInstructions } from "#wire/dotqmail/instructions.ts";
import { type ProgramEnd, programEnd } from "#wire/dotqmail/report.ts";
import { type Actions, type Followed, follow, type Progress } from "./follow.ts";
import { enterHome, findInstructions, findOwner, type Stop } from "./home.ts";

export interface Job {
  readonly target: Target;
  readonly sender: string;
  /** Says which delivery it is: docs/local.md. */
  readonly arrived: number;
  readonly id: string;
  readonly index: number;
  readonly again: boolean;
  readonly hostname: string;
  /** Bytes of the message with CRLF. */
  readonly wireSize: number;
  /** Instructions for those who have none. */
  readonly otherwise: string;
  /** Of programs. */
  readonly searchPath: string;
  readonly bounds: ProcessBounds;
  /** ms for all of it. */
  readonly time: number;
}

/** `owner`: who is the sender of what goes on. */
export type Delivered = (Extract<Followed, { kind: "done" }> & { readonly owner: Owner }) | Stop;

/** Maildirs whose record stays open. */
const OPEN_MAILBOXES = 20;

/** Delivers for one user, one message after the other. */
export class UserDelivery {
  readonly #clock: Clock;
  readonly #mailboxes = new Map<string, Mailbox>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The message has LF line ends. Rejects only with what `progress.mark` rejects. */
  async deliver(job: Job, message: Scratch, progress: Progress): Promise<Delivered> {
    const { target, sender } = job;
    const home = enterHome(target.home, false);
    if (!home.ok) return home.error;
    if (loops(message, target))
      return {
        kind: "failed",
        report: "This message is looping: it already has my Delivered-To line. (#5.4.6)",
      };
    const found = findInstructions(target);
    if (!found.ok) return found.error;
    const owner = findOwner(target);
    if (!owner.ok) return owner.error;
    const own = found.value.text.length > 0;
    const instructions = parseInstructions(
      own ? found.value.text : Buffer.from(job.otherwise),
      own && found.value.forwardOnly,
    );
    if (!instructions.ok) return { kind: "deferred", report: instructions.error };
    const letterhead = {
      sender,
      newSender: newSender(sender, target, owner.value),
      default: found.value.default,
      now: this.#clock.now(),
    };
    const actions = new UserActions({
      job,
      message,
      clock: this.#clock,
      own,
      mailbox: (at) => this.#mailbox(at),
      variables: variablesFor(target, letterhead),
    });
    const followed = await follow(instructions.value, actions, progress);
    return followed.kind === "done" ? { ...followed, owner: owner.value } : followed;
  }

  #mailbox(at: string): Mailbox {
    const found = this.#mailboxes.get(at) ?? new Mailbox(quickDisk, at);
    this.#mailboxes.delete(at);
    this.#mailboxes.set(at, found);
    const [oldest] = this.#mailboxes;
    if (this.#mailboxes.size > OPEN_MAILBOXES && oldest) {
      this.#mailboxes.delete(oldest[0]);
      void oldest[1].close();
    }
    return found;
  }
}

/** The header has this very line already. */
function loops(message: Scratch, { local, host }: Target): boolean {
  const start = message.start(limits.dotqmail.header);
  const empty = start[0] === 10 ? 0 : start.indexOf("\n\n");
  const header = `\n${start.toString("utf8", 0, empty < 0 ? start.length : empty + 1)}`;
  return header.includes(`\n${deliveredTo(local, host)}`);
}

interface ActionsOptions {
  readonly job: Job;
  readonly message: Scratch;
  readonly clock: Clock;
  /** The user has said what is to be done. */
  readonly own: boolean;
  readonly mailbox: (at: string) => Mailbox;
  readonly variables: Readonly<Record<string, string>>;
}

class UserActions implements Actions {
  readonly #options: ActionsOptions;
  readonly #end: number;

  constructor(options: ActionsOptions) {
    this.#options = options;
    this.#end = options.clock.monotonic() + options.job.time;
  }

  async maildir(name: string, copy: number): Promise<string | undefined> {
    const { job, message, clock, own, mailbox } = this.#options;
    const { arrived, id, index, hostname, again } = job;
    try {
      // the one that a user gets by default is made; one that he names must be there
      if (own && kindOf(name)?.directory !== true) return "Unable to chdir to maildir. (#4.2.1)";
      const which = copy === 0 ? index : `${index}_${copy}`;
      const base = `${Math.floor(arrived / 1000)}.${fileHost(id)}.${which}.${fileHost(hostname)}`;
      const letter = { base, head: this.#head, body: bodyOf(message, job.wireSize) };
      await mailbox(path.resolve(name)).deliver(letter, again, clock.now());
      return undefined;
    } catch (thrown) {
      return `Temporary error on maildir delivery: ${systemReason(thrown)}. (#4.3.0)`;
    }
  }

  async mbox(name: string): Promise<string | undefined> {
    const { job, message, clock } = this.#options;
    const options = { clock, patience: limits.dotqmail.lock, stale: limits.dotqmail.staleLock };
    const opened = await openToAppend(name, options).catch((thrown: unknown) => systemReason(thrown));
    if (opened === "held") return "File has been locked for 30 seconds straight. (#4.3.0)";
    if (typeof opened === "string") return `Unable to open ${name}: ${opened}. (#4.2.1)`;
    try {
      const line = Buffer.from(fromLine(job.sender, clock.now()));
      await appendToMbox(opened, {
        head: Buffer.concat([line, this.#head]),
        chunks: () => message.chunks(),
      });
      return undefined;
    } catch (thrown) {
      return thrown instanceof Unreadable
        ? `Unable to read message: ${messageOf(thrown.cause)}. (#4.3.0)`
        : `Unable to write ${name}: ${systemReason(thrown)}. (#4.3.0)`;
    } finally {
      await opened.close();
    }
  }

  async program(command: string): Promise<{ readonly end: ProgramEnd; readonly report: string }> {
    const { job, message, clock, variables } = this.#options;
    const input = message.reader();
    try {
      const ran = await runShell(command, {
        clock,
        input,
        directory: job.target.home,
        environment: { ...variables, PATH: job.searchPath },
        before: boundsBefore(job.bounds),
        time: Math.max(0, this.#end - clock.monotonic()),
      });
      return programReport(ran);
    } finally {
      fs.closeSync(input);
    }
  }

  get #head(): Buffer {
    const { target, sender } = this.#options.job;
    return Buffer.from(`${returnPath(sender)}${deliveredTo(target.local, target.host)}`);
  }
}

const bodyOf = (message: Scratch, wireSize: number): LetterBody => ({
  size: wireSize,
  whole: undefined,
  chunks: () => message.chunks(),
});

/** What the end of a program means, and what is reported. */
export function programReport({ end, output }: Ran): { readonly end: ProgramEnd; readonly report: string } {
  // the reason comes first: of a long output the end is cut off
  const because = (text: string) => ({ end: "deferred", report: `${text}\n${output}` }) as const;
  switch (end.kind) {
    case "exited":
      return { end: programEnd(end.code), report: output };
    case "crashed":
      return because("Aack, child crashed. (#4.3.0)");
    case "late":
      return because("The program did not end in time. (#4.3.0)");
    case "flood":
      return because("The program printed too much. (#4.3.0)");
    case "unable":
      return because(`Unable to run /bin/sh: ${end.reason}. (#4.3.0)`);
    default:
      return end satisfies never;
  }
}
