// lspawn: who a system user is, and his mail given to a worker with his rights (docs/dotqmail.md P2, P6, P7).

import { messageOf, Trouble } from "#base/problem.ts";
import type { SliceOf } from "#config/slice.ts";
import type { Logger } from "#log/logger.ts";
import type { Users } from "#store/dotqmail/users.ts";
import type { LetterBody } from "#store/maildir/deliver.ts";
import type { Recent } from "#store/maildir/recent.ts";
import { mayBecomeOthers } from "#sys/userchild.ts";
import type { Existence, SystemDelivery } from "#talk/lspawn.ts";
import type { WorkerLetter, WorkerResult } from "#talk/worker.ts";
import type { SystemUser } from "#wire/dotqmail/assign.ts";
import { deliveredTo, newSender } from "#wire/dotqmail/environment.ts";
import { completeForwards } from "#wire/dotqmail/forwards.ts";
import { deferredWith, failedWith, reportText } from "#wire/dotqmail/report.ts";
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
  readonly users: () => Users;
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
      return this.#outcome(delivery, result);
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

  /** P7: what the worker says is about this message only; whose letter goes on, we say. */
  #outcome({ local, host, sender }: SystemDelivery, result: WorkerResult): Outcome {
    if (result.kind === "failed") return failedWith(result.report);
    if (result.kind === "deferred") return deferredWith(result.report);
    const by = reportText(result.report).trimEnd();
    if (result.forwards.length === 0) return { kind: "delivered", by: by.slice(0, BY) };
    const to = completeForwards(result.forwards, this.#options.slice().domain);
    if (!to.ok) return deferredWith(to.error);
    const from = newSender(sender, { local, host }, result.owner);
    const prefix = deliveredTo(local, host).replace(/\n$/, "\r\n");
    const letter = { recipients: to.value, prefix, ...(from === sender ? {} : { sender: from }) };
    return { kind: "forwarded", by: by.slice(0, BY), letter };
  }
}

/** Of a report in the log: the end of a long one stands in the queue. */
const LOGGED = 300;

/** The longest that an outcome takes. */
const BY = 2000;
