// kenro queue hold, release, bounce, remove: what an administrator does to messages that wait.

import { createInterface } from "node:readline/promises";
import { limits } from "#base/limits.ts";
import { type Count, type Order, queueCount, queueOrder, type Selection } from "#talk/queuecontrol.ts";
import { type Call, print, printJson, type Run } from "../call.ts";
import { Refusal, usage } from "../exit.ts";
import { idsOf, selectionOf } from "../selection.ts";
import { withRole } from "../server.ts";
import { notThere } from "./queue.ts";

const many = (count: number, what: string) => `${count} ${what}${count === 1 ? "" : "s"}`;

const questions: Readonly<Record<Order, string>> = {
  hold: "Hold",
  release: "Release",
  bounce: "Give up, and send back to their senders,",
  remove: "Remove, without telling anybody,",
};

const results: Readonly<Record<Order, readonly [string, string]>> = {
  hold: ["is held", "are held"],
  release: ["is released", "are released"],
  bounce: ["goes back to its sender", "go back to their senders"],
  remove: ["is removed", "are removed"],
};

/** What the command is for. Nothing at all is meant by nothing: whoever wants everything says so. */
function aim(order: Order, call: Call): Selection {
  const now = Date.now();
  const where = selectionOf(call, now);
  const all = call.options["all"] === true;
  if (Object.keys(where).length === 0 && !all)
    throw usage(`Say which messages to ${order}: ids, a filter such as --sender, or --all`);
  if (where.ids) return where;
  // what comes after we have counted was not meant
  return { ...where, before: where.before ?? now };
}

/** Filters may catch more than was meant. Refusal when nobody says yes. */
async function confirm(order: Order, { messages, recipients }: Count): Promise<void> {
  const what = `${many(messages, "message")} to ${many(recipients, "recipient")}`;
  if (!process.stdin.isTTY || !process.stderr.isTTY)
    throw new Refusal(`This would ${order} ${what}; say so with --yes`);
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const said = await lines.question(`${questions[order]} ${what}? [y/N] `);
  lines.close();
  if (!/^y(?:es)?$/i.test(said.trim())) throw new Refusal("Nothing was changed");
}

const command =
  (order: Order): Run =>
  async (call) => {
    const where = aim(order, call);
    const ids = new Set(idsOf(call));
    const done = await withRole(call.directory, "queue", async (ask) => {
      if (ids.size === 0 && call.options["yes"] !== true) {
        const count = await ask(queueCount, { where });
        if (count.messages > 1) await confirm(order, count);
      }
      return ask(queueOrder, { order, where }, limits.talk.inject);
    });
    const [first = ""] = ids;
    if (ids.size === 1 && done.messages === 0 && Object.keys(where).length === 1) throw notThere(first);
    if (call.json) printJson(done);
    else print(resultOf(order, done));
    if (ids.size > done.messages)
      throw new Refusal(
        `${many(ids.size - done.messages, "message")} of ${ids.size} did not match or had left the queue; see: kenro queue list`,
      );
    return 0;
  };

function resultOf(order: Order, { messages, running }: Count): string {
  if (messages === 0) return "No message matches";
  const [one, several] = results[order];
  const result = `${many(messages, "message")} ${messages === 1 ? one : several}`;
  if (running === 0 || order === "release") return result;
  return `${result}; ${running} of them ${running === 1 ? "is" : "are"} being delivered now, which goes on and may succeed`;
}

export const hold = command("hold");
export const release = command("release");
export const bounce = command("bounce");
export const remove = command("remove");
