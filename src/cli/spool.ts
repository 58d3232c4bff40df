// The queue as its spool shows it, when no server runs that could be asked. Nothing is written there.

import { codeOf, Trouble } from "#base/problem.ts";
import { lookAtSpool, type Seen } from "#store/spool/look.ts";
import { bornAt, type Stored } from "#store/spool/state.ts";
import { realDisk } from "#sys/disk.ts";
import { isSelected, messageState, type QueuedMessage, type Selection } from "#talk/queuecontrol.ts";
import { isDown } from "./server.ts";

export interface Offline {
  readonly messages: readonly QueuedMessage[];
  /** Parts of the spool that cannot be read. */
  readonly damaged: number;
}

/** What the spool below the working directory holds; undefined when a server runs or starts, which knows better. */
export async function offlineQueue(where: Selection): Promise<Offline | undefined> {
  const seen = await offlineSpool();
  const messages = seen?.messages.filter((each) => selects(where, each)).map(describe);
  return seen && messages && { messages, damaged: seen.damaged };
}

/** The messages of that spool as they are; undefined as above. */
export async function offlineSpool(): Promise<Seen | undefined> {
  if (!(await isDown())) return undefined;
  let seen: Seen;
  try {
    seen = await lookAtSpool({ disk: realDisk, directory: "spool" });
  } catch (thrown) {
    if (thrown instanceof Trouble && codeOf(thrown) === "changed") return undefined;
    throw thrown;
  }
  return (await isDown()) ? seen : undefined;
}

export function selects(where: Selection, stored: Stored): boolean {
  const { id, arrived, envelope } = stored.head;
  const waiting = envelope.recipients
    .filter((_, index) => (stored.progress.get(index)?.state ?? "waiting") === "waiting")
    .map(({ address }) => address);
  return isSelected(where, { id, arrived, sender: envelope.sender, state: stateOf(stored), waiting });
}

function stateOf({ held, progress }: Stored): QueuedMessage["state"] {
  return messageState({ held, running: false, tried: progress.size > 0 });
}

function describe(stored: Stored): QueuedMessage {
  const { id, arrived, size, envelope } = stored.head;
  return {
    id,
    sender: envelope.sender,
    state: stateOf(stored),
    size,
    arrived,
    recipients: envelope.recipients.map(({ address }, index) => {
      const { state, attempts, next, code, text } = stored.progress.get(index) ?? {
        state: "waiting",
        attempts: 0,
        next: bornAt(stored.head),
        code: "",
        text: "",
      };
      const due = state === "waiting" && !stored.held ? next : 0;
      return { address, state, attempts, next: due, status: code, reason: text };
    }),
  };
}
