// One message into an mbox: mboxrd, behind what is there, durable; cut back when it could not be written whole (docs/dotqmail.md).

import { Trouble } from "#base/problem.ts";
import type { AppendFile } from "#sys/appendfile.ts";
import { MboxQuoter } from "#wire/message/mbox.ts";

export interface MboxLetter {
  /** The From_ line and the fields in front of the message, with LF. */
  readonly head: Buffer;
  /** The message with LF line ends. */
  chunks(): AsyncIterable<Buffer>;
}

/** The message could not be read: not the file's fault. */
export class Unreadable extends Error {
  override readonly name = "Unreadable";
}

/** Resolves when the message survives a crash. Unreadable, or Trouble of the file; either way it is as long as before, if it was locked. */
export async function appendToMbox(file: AppendFile, letter: MboxLetter): Promise<void> {
  const before = file.regular ? await file.size() : 0;
  try {
    await writeLetter(file, letter, before);
    if (file.regular) await file.sync();
  } catch (thrown) {
    if (file.regular && file.locked) {
      await file.truncate(before).catch(() => {
        // what stays is a torn message; the next one begins with a line of its own all the same
      });
    }
    throw thrown;
  }
}

async function writeLetter(file: AppendFile, { head, chunks }: MboxLetter, before: number): Promise<void> {
  const quoter = new MboxQuoter();
  let at = before;
  const put = async (bytes: Buffer) => {
    if (bytes.length === 0) return;
    await file.write([bytes], at);
    at += bytes.length;
  };
  await put(head);
  const reading = chunks()[Symbol.asyncIterator]();
  for (;;) {
    const step = await reading.next().catch((thrown: unknown) => {
      throw new Unreadable("The message cannot be read", { cause: Trouble.from("read message", thrown) });
    });
    if (step.done) break;
    await put(quoter.feed(step.value));
  }
  await put(quoter.end());
}
