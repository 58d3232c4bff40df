// Messages that wait in the drop directory, as the queue would list them: it has not taken them yet, because it does not run or has no room.

import { lookAtDrop } from "#store/drop/look.ts";
import { isSelected, type QueuedMessage, type Selection } from "#talk/queuecontrol.ts";

/** What waits below the working directory and is selected. */
export async function* droppedMessages(where: Selection): AsyncIterable<QueuedMessage> {
  for await (const { id, head, size, mtimeMs } of lookAtDrop(".")) {
    const { sender, recipients } = head;
    const arrived = Math.round(mtimeMs);
    const waiting = recipients.map(({ address }) => address);
    if (!isSelected(where, { id, arrived, sender, state: "waiting", waiting })) continue;
    yield {
      id,
      sender,
      state: "waiting",
      size,
      arrived,
      recipients: waiting.map((address) => ({
        address,
        state: "waiting",
        attempts: 0,
        next: 0,
        status: "",
        reason: "The queue has not taken it yet",
      })),
    };
  }
}
