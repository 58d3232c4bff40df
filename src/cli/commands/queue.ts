// kenro queue list, retry: messages that wait for delivery.

import { type QueuedMessage, queueList, queueRetry } from "#talk/queuecontrol.ts";
import { print, printJson, type Run } from "../call.ts";
import { type ExitCode, Refusal } from "../exit.ts";
import { withRole } from "../server.ts";
import { formatAge, formatSize, formatTime, harmless } from "../text.ts";

/** Messages of one answer; far below what one frame holds. */
const PAGE = 100;

export const list: Run = async ({ directory, json }) =>
  withRole<ExitCode>(directory, "queue", async (ask) => {
    const out = json ? new JsonList() : new TextList();
    let after = "";
    for (;;) {
      const { messages } = await ask(queueList, { after, most: PAGE });
      for (const message of messages) out.message(message);
      const last = messages.at(-1);
      if (last === undefined || last.id === after) break;
      after = last.id;
    }
    out.end();
    return 0;
  });

/** A large queue is printed page by page, never held as a whole. */
class JsonList {
  #separator = "[";

  message(message: QueuedMessage): void {
    process.stdout.write(`${this.#separator}\n${JSON.stringify(message)}`);
    this.#separator = ",";
  }

  end(): void {
    print(this.#separator === "[" ? "[]" : "\n]");
  }
}

class TextList {
  #count = 0;

  message({ id, sender, size, arrived, recipients }: QueuedMessage): void {
    this.#count++;
    print(`${id}  ${formatTime(arrived)}  ${formatSize(size)}  from <${harmless(sender)}>`);
    for (const { address, state, attempts, next, status, reason } of recipients) {
      const due = state === "waiting" && next > Date.now() ? `, next in ${formatAge(next - Date.now())}` : "";
      print(`    <${harmless(address)}>  ${state}, ${attempts} attempt${attempts === 1 ? "" : "s"}${due}`);
      if (reason !== "") print(`        ${harmless(`${status} ${reason}`.trim())}`);
    }
  }

  end(): void {
    if (this.#count === 0) print("The queue is empty");
    else print(`${this.#count} message${this.#count === 1 ? "" : "s"}`);
  }
}

export const retry: Run = async ({ directory, args: [id = ""], json }) => {
  const { count } = await withRole(directory, "queue", (ask) => ask(queueRetry, { id }));
  if (json) printJson({ count });
  if (id !== "" && count === 0)
    throw new Refusal(`No message "${id}" waits in the queue; see: kenro queue list`);
  if (!json) print(`${count} recipient${count === 1 ? " is" : "s are"} tried now`);
  return 0;
};
