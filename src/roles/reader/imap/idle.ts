// IDLE (RFC 2177): the session hears of changes at once, by inotify, and in any case within a minute.

import { limits } from "#base/limits.ts";
import { Trouble } from "#base/problem.ts";
import { watchDirectories } from "#sys/watch.ts";
import type { CommandReader } from "#wire/imap/command.ts";
import type { Session } from "./state.ts";

const LOOK = 60_000;
/** Changes that come together are told together. */
const GATHER = 20;

/** Tells news until the client says DONE. False: it said something else, or is gone. */
export async function idle(session: Session, reader: CommandReader): Promise<boolean> {
  const { stream, clock, view } = session;
  await session.say("+ idling");
  let wake: () => void = () => {};
  const folder = view?.folder;
  const changed = () => void clock.after(GATHER, () => wake());
  const stopWatching = folder
    ? watchDirectories([`${folder.path}/new`, `${folder.path}/cur`], changed)
    : () => {};
  folder?.watchers.add(changed);
  const look = () => {
    wake();
    timer = clock.after(LOOK, look);
  };
  let timer = clock.after(LOOK, look);
  try {
    let reading: Promise<Buffer | undefined> | undefined;
    for (;;) {
      const done = doneIn(reader);
      if (done !== undefined) return done;
      // not before: a read nobody waits for any more would take the next command, and fail unheard when its time is over
      reading ??= Promise.resolve(stream.read(limits.imap.idleTimeout));
      const woken = new Promise<"woken">((resolve) => {
        wake = () => resolve("woken");
      });
      const what = await Promise.race([reading, woken]);
      if (what === undefined) return false;
      if (what === "woken") await tellNews(session);
      else {
        reader.feed(what);
        reading = undefined;
      }
    }
  } finally {
    timer.cancel();
    stopWatching();
    folder?.watchers.delete(changed);
  }
}

/** Whether the client has said DONE (true) or something that is not DONE (false); undefined: nothing yet. */
function doneIn(reader: CommandReader): boolean | undefined {
  const event = reader.next();
  if (!event) return undefined;
  const [word] = event.kind === "command" ? event.pieces : [];
  return typeof word === "string" && word.toUpperCase() === "DONE";
}

async function tellNews({ view, say, out }: Session): Promise<void> {
  if (!view) return;
  try {
    await view.folder.scan();
  } catch (thrown) {
    // the disk's trouble may be over at the next look; the client is told then
    if (!(thrown instanceof Trouble)) throw thrown;
  }
  for (const line of view.news(true)) await say(line);
  await out.flush();
}
