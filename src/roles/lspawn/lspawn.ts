// lspawn: who a system user is, and his mail given to a worker with his rights (docs/dotqmail.md P2, P6, P7).

import { messageOf, Trouble } from "#base/problem.ts";
import type { SliceOf } from "#config/slice.ts";
import type { Logger } from "#log/logger.ts";
import type { Users } from "#store/dotqmail/users.ts";
import type { LetterBody } from "#store/maildir/deliver.ts";
import type { Recent } from "#store/maildir/recent.ts";
import { mayBecomeOthers } from "#sys/userchild.ts";
import type { Existence, SystemDelivery } from "#talk/lspawn.ts";
import type { WorkerLetter } from "#talk/worker.ts";
import type { SystemUser } from "#wire/dotqmail/assign.ts";
import { outcomeOf } from "#wire/dotqmail/outcome.ts";
import { deferredWith, failedWith } from "#wire/dotqmail/report.ts";
import type { Outcome } from "#wire/envelope.ts";
import { asLines } from "#wire/message/binary.ts";
import type { Looks } from "./looks.ts";
import type { Workers } from "./workers.ts";

export interface OpenBody extends LetterBody {
  close(): Promise<void>;
}

export interface LspawnOptions {
  readonly log: Logger;
  readonly slice: () => SliceOf<"lspawn">;
  readonly users: () => Pick<Users, "find">;
  readonly looks: Pick<Looks, "hasFile">;
  readonly workers: Pick<Workers, "deliver">;
  /** Keys of lines that are done. */
  readonly record: Recent;
  readonly openBody: (place: SystemDelivery["place"]) => Promise<OpenBody>;
  /** PATH of programs. */
  readonly searchPath: string;
}

const NO_MAILBOX = "Sorry, no mailbox here by that name. (#5.1.1)";

export class Lspawn {
  readonly #options: LspawnOptions;

  constructor(options: LspawnOptions) {
    this.#options = options;
  }

  /** Trouble when it cannot be known now. */
  async exists(local: string): Promise<Existence> {
    const user = await this.#find(local);
    if (!user) return { kind: "unknown" };
    const there = user.dash === "" || (await this.#options.looks.hasFile(user));
    return { kind: there ? "deliverable" : "unknown" };
  }

  /** What became of one message for one user; never rejects. */
  async deliver(delivery: SystemDelivery): Promise<Outcome> {
    const { log } = this.#options;
    const { id, local, host } = delivery;
    const to = `${local}@${host}`;
    // an empty local part is trash to qmail
    if (local === "") return { kind: "delivered", by: "nobody's" };
    try {
      const user = await this.#find(local);
      const outcome = user ? await this.#give(delivery, user) : failedWith(NO_MAILBOX);
      const { kind } = outcome;
      const text = ("by" in outcome ? outcome.by : outcome.why.text).slice(0, LOGGED);
      log.event("lspawn_delivery", { id, to, uid: user?.uid, outcome: kind, text });
      return outcome;
    } catch (thrown) {
      log.event("trouble", { id, to, text: messageOf(thrown) });
      return deferredWith("The message cannot be delivered to this user now. (#4.3.0)");
    }
  }

  /** With the checks that hold for everything that is done as a user. */
  async #find(local: string): Promise<SystemUser | undefined> {
    const user = await this.#options.users().find(local);
    if (user?.uid === 0) throw new Trouble("find user", "Not allowed to perform deliveries as root.");
    if (user && !mayBecomeOthers() && user.uid !== process.getuid?.())
      throw new Trouble("find user", `Cannot become "${user.user}": the server was not started as root`);
    return user;
  }

  async #give(delivery: SystemDelivery, user: SystemUser): Promise<Outcome> {
    const { record, openBody, workers } = this.#options;
    const prefix = `${delivery.id}.${delivery.index}.`;
    const done = delivery.again ? await record.behind(prefix) : [];
    const source = await openBody(delivery.place);
    try {
      const body = await asLines(source, delivery.body);
      const result = await workers.deliver(user, {
        letter: this.#letter(delivery, user, { size: body.size, done }),
        body,
        mark: async (key) => {
          const sync = await record.add(`${prefix}${key}`);
          await sync();
        },
      });
      // what the worker says is about this message only; whose letter goes on, we say
      return outcomeOf(result, { ...delivery, domain: this.#options.slice().domain });
    } finally {
      await source.close().catch(() => {
        // it was only read from
      });
    }
  }

  #letter(
    delivery: SystemDelivery,
    user: SystemUser,
    more: Pick<WorkerLetter, "size" | "done">,
  ): WorkerLetter {
    const { slice, searchPath } = this.#options;
    const { hostname, otherwise, bounds, time } = slice();
    const { sender, id, arrived, index, again, local, host } = delivery;
    const { user: name, home, dash, extension } = user;
    const target = { user: name, home, dash, extension, local, host };
    return {
      ...target,
      ...more,
      ...bounds,
      sender,
      id,
      arrived,
      index,
      again,
      hostname,
      otherwise,
      time,
      searchPath,
    };
  }
}

/** Of a report in the log: the end of a long one stands in the queue. */
const LOGGED = 300;
