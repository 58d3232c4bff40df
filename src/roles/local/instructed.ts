// Mail for an account whose owner has written instructions: its mailbox, other addresses, and programs if the administrator allows them
// (docs/dotqmail.md).

import { Buffer } from "node:buffer";
import type { Clock } from "#base/clock.ts";
import { messageOf } from "#base/problem.ts";
import type { Logger } from "#log/logger.ts";
import { type Actions, follow } from "#store/dotqmail/follow.ts";
import type { Delivery } from "#talk/deliver.ts";
import type { Instructed } from "#talk/lookup.ts";
import type { ProgramRun } from "#talk/lspawn.ts";
import { newSender, variablesFor } from "#wire/dotqmail/environment.ts";
import { parseInstructions } from "#wire/dotqmail/instructions.ts";
import { outcomeOf } from "#wire/dotqmail/outcome.ts";
import type { ProgramEnd } from "#wire/dotqmail/report.ts";
import { deferredWith } from "#wire/dotqmail/report.ts";
import { type Outcome, splitAddress } from "#wire/envelope.ts";

/** What local can do for it. */
export interface Hands {
  readonly clock: Clock;
  readonly log: Logger;
  /** Puts a copy into the mailbox, or a folder of it: a text when that cannot be done now. */
  readonly keep: (folder: string | undefined, copy: number) => Promise<string | undefined>;
  /** Trouble when lspawn is away. */
  readonly runProgram: (
    question: ProgramRun,
  ) => Promise<{ readonly end: ProgramEnd; readonly report: string }>;
}

export interface Task {
  readonly delivery: Delivery;
  readonly index: number;
  readonly address: string;
  readonly answer: Instructed;
}

/** The Maildir of an account, and folders of it; nothing else on this disk is its owner's. */
const OWN = /^\.\/Maildir\/(?:\.([^/]+)\/)?$/;

const NO_MBOX = "Accounts have no mbox files: use ./Maildir/ (#4.2.1)";
const NO_OTHER = "Accounts have ./Maildir/ and its folders, and no other directory (#4.2.1)";

/** Follows the instructions; never rejects. A Maildir line is done once, a program unless lspawn remembers that it was. */
export async function followInstructions(task: Task, hands: Hands): Promise<Outcome> {
  const { delivery, address, answer } = task;
  const { local, domain: host } = splitAddress(address);
  const { sender } = delivery;
  const instructions = parseInstructions(Buffer.from(answer.text), false);
  if (!instructions.ok) return deferredWith(instructions.error);
  const variables = variablesFor(
    // programs have an empty directory of their own
    { user: answer.account, home: "/tmp", local, host, dash: "-", extension: answer.ext },
    {
      sender,
      newSender: newSender(sender, { local, host }, answer.owner),
      default: answer.rest,
      now: hands.clock.now(),
    },
  );
  const actions: Actions = {
    maildir: async (name, copy) => {
      const own = OWN.exec(name);
      return own ? hands.keep(own[1], copy) : NO_OTHER;
    },
    mbox: async () => NO_MBOX,
    program: (command, key) => runFor(task, hands, { command, key, variables }),
  };
  const followed = await follow(instructions.value, actions, { has: () => false, mark: async () => {} });
  const ended = followed.kind === "done" ? { ...followed, owner: answer.owner } : followed;
  return outcomeOf(ended, { sender, local, host, domain: host });
}

async function runFor(
  { delivery, index, answer: { account } }: Task,
  { log, runProgram }: Hands,
  line: {
    readonly command: string;
    readonly key: string;
    readonly variables: Readonly<Record<string, string>>;
  },
): Promise<{ readonly end: ProgramEnd; readonly report: string }> {
  const { id, again, body, place } = delivery;
  try {
    const variables = Object.entries(line.variables);
    return await runProgram({ ...line, account, variables, id, index, again, body, place });
  } catch (thrown) {
    log.event("trouble", { id, text: messageOf(thrown) });
    return { end: "deferred", report: "Programs cannot be run now. (#4.3.0)" };
  }
}
