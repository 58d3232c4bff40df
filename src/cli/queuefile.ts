// The file of `kenro queue export`: a line "kenro-queue 1", then for each message two netstrings, JSON about it and its bytes, then one with
// the number of messages, so that a file that was cut off is noticed (docs/queue-tools.md).

import { integer, list, readJson, record } from "#base/shape.ts";
import { type About, aboutShape, type Carried, carriedShape } from "#talk/queuetransfer.ts";
import { formatNetstring, NETSTRING_END, netstringStart } from "#wire/netstring.ts";
import { NetstringReader, NotNetstring } from "#wire/netstringstream.ts";

const FIRST_LINE = "kenro-queue 1";

/** Bytes of the JSON about one message: it may have 100,000 recipients. */
const LONGEST = 256 * 1024 * 1024;

export interface Card {
  readonly about: About;
  readonly recipients: readonly Carried[];
}

const cardShape = record({ about: aboutShape, recipients: list(carriedShape) });
const endShape = record({ messages: integer(0) });

/** Not a file of ours, or cut off, or damaged; one sentence that says which. */
export class BadFile extends Error {}

export const begin = (): Buffer => Buffer.from(`${FIRST_LINE}\n`);
export const end = (messages: number): Buffer => formatNetstring(Buffer.from(JSON.stringify({ messages })));

/** A message as it stands in the file. Throws BadFile when its body is not what it should be. */
export async function* write(card: Card, body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const { id, size } = card.about;
  yield formatNetstring(Buffer.from(JSON.stringify(card)));
  yield netstringStart(size);
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    yield chunk;
  }
  if (length !== size) throw new BadFile(`message ${id} has ${length} bytes instead of ${size}`);
  yield NETSTRING_END;
}

/** The messages of a file, each with its bytes, which must be read before the next is asked for. Throws BadFile. */
export async function* read(
  source: AsyncIterable<Buffer>,
): AsyncGenerator<{ readonly card: Card; readonly body: AsyncIterable<Buffer> }> {
  const reader = new NetstringReader(source);
  try {
    if ((await reader.line(100)) !== FIRST_LINE) throw new BadFile("it was not made by kenro queue export");
    for (let count = 0; ; count++) {
      const json = await reader.whole(LONGEST);
      if (!json) throw new BadFile("it is cut off");
      const card = readJson(cardShape, json);
      if (!card.ok) return finish(json, count);
      const { length, chunks } = await reader.streamed();
      if (length !== card.value.about.size) throw new BadFile(`message ${card.value.about.id} has two sizes`);
      yield { card: card.value, body: spoilt(chunks) };
    }
  } catch (thrown) {
    if (thrown instanceof NotNetstring) throw new BadFile(thrown.message, { cause: thrown });
    throw thrown;
  }
}

/** A flaw in the stream is one of the file. */
async function* spoilt(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* chunks;
  } catch (thrown) {
    throw thrown instanceof NotNetstring ? new BadFile(thrown.message, { cause: thrown }) : thrown;
  }
}

function finish(json: Buffer, count: number): void {
  const last = readJson(endShape, json);
  if (!last.ok) throw new BadFile("what it says about a message cannot be read");
  if (last.value.messages !== count)
    throw new BadFile(`it has ${count} messages instead of ${last.value.messages}`);
}
