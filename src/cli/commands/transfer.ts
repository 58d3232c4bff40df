// kenro queue export, import: messages that wait, with all that is known of them, into a file and out of it (docs/queue-tools.md).

import fs from "node:fs";
import path from "node:path";
import { Readable } from "node:stream";
import { systemClock } from "#base/clock.ts";
import { codeOf, messageOf, Trouble } from "#base/problem.ts";
import { Importing } from "#store/spool/importing.ts";
import { openBody } from "#store/spool/source.ts";
import { openSpool } from "#store/spool/spool.ts";
import { bornAt, type Stored } from "#store/spool/state.ts";
import { realDisk } from "#sys/disk.ts";
import { tryLock } from "#sys/lock.ts";
import { queueList, type Selection } from "#talk/queuecontrol.ts";
import {
  type Carried,
  type ImportAnswer,
  type ImportPart,
  queueExport,
  queueImport,
  unfold,
} from "#talk/queuetransfer.ts";
import { complain, print, printJson, type Run } from "../call.ts";
import { enter } from "../directory.ts";
import { Refusal } from "../exit.ts";
import { STDIN } from "../input.ts";
import { BadFile, begin, type Card, end, read, write } from "../queuefile.ts";
import { selectionOf } from "../selection.ts";
import { type Ask, isDown, withRole } from "../server.ts";
import { offlineSpool, selects } from "../spool.ts";

const SPOOL = "spool";

/** Ids asked for at a time. */
const PAGE = 500;

/** Bytes of one part of a message on its way to the queue; in base64 it fits into a frame. */
const PART = 384 * 1024;

/** Recipients of one part, each of at most some 3 KB. */
const RECIPIENTS = 200;

/** Messages of at most one part that are on their way at a time. */
const TOGETHER = 32;

/** A message may have to be looked for again, because compaction has moved it. */
const LOOKS = 3;

/** The last thing a person sees on a terminal while it goes on. */
function progress(count: number): void {
  if (process.stderr.isTTY && count % 100 === 0) process.stderr.write(`\r${count} messages`);
}

const many = (count: number) => `${count} message${count === 1 ? "" : "s"}`;

// ---- export ----

interface Found {
  readonly card: Card;
  readonly chunks: AsyncIterable<Buffer>;
  close(): Promise<void>;
}

export const exportQueue: Run = async (call) => {
  const { directory, json, args } = call;
  const [file = STDIN] = args;
  const where = selectionOf({ ...call, args: [] });
  const at = file === STDIN ? undefined : path.resolve(file);
  enter(directory);
  const out = openOut(at);
  try {
    const offline = await offlineSpool();
    const count = offline
      ? await writeAll(out, stopped(offline.messages.filter((each) => selects(where, each))))
      : await withRole(directory, "queue", (ask) => writeAll(out, running(ask, where)));
    out.done();
    if (json && at !== undefined) printJson({ messages: count });
    else complain(`${many(count)} exported`);
    return 0;
  } catch (thrown) {
    out.undo();
    throw thrown instanceof BadFile ? new Refusal(`Cannot export: ${thrown.message}`, 111) : thrown;
  }
};

interface Out {
  write(bytes: Buffer): Promise<void>;
  done(): void;
  undo(): void;
}

/** A file appears when it is whole. */
function openOut(at: string | undefined): Out {
  if (at === undefined) {
    const toStdout = async (bytes: Buffer): Promise<void> => {
      if (!process.stdout.write(bytes))
        await new Promise<void>((resolve) => process.stdout.once("drain", resolve));
    };
    return { write: toStdout, done: () => {}, undo: () => {} };
  }
  const part = `${at}.part`;
  try {
    const fd = fs.openSync(part, "w", 0o600);
    return {
      write: async (bytes) => void fs.writeFileSync(fd, bytes),
      done: () => {
        fs.fsyncSync(fd);
        fs.closeSync(fd);
        fs.renameSync(part, at);
      },
      undo: () => fs.rmSync(part, { force: true }),
    };
  } catch (thrown) {
    throw new Refusal(`Cannot write "${at}": ${messageOf(thrown)}`);
  }
}

async function writeAll(out: Out, messages: AsyncIterable<Found>): Promise<number> {
  await out.write(begin());
  let count = 0;
  for await (const { card, chunks, close } of messages) {
    for await (const bytes of write(card, chunks)) await out.write(bytes);
    await close();
    progress(++count);
  }
  await out.write(end(count));
  return count;
}

async function* running(ask: Ask, where: Selection): AsyncGenerator<Found> {
  let after = "";
  for (;;) {
    const { messages } = await ask(queueList, { after, most: PAGE, where });
    for (const { id } of messages) {
      const found = await fetched(ask, id);
      if (found) yield found;
    }
    const last = messages.at(-1);
    if (last === undefined || last.id === after) return;
    after = last.id;
  }
}

/** Undefined: it has left the queue. */
async function fetched(ask: Ask, id: string): Promise<Found | undefined> {
  for (let looks = 1; ; looks++) {
    const { message } = await ask(queueExport, { id, from: 0 });
    if (!message) return undefined;
    const recipients = [...message.recipients];
    while (recipients.length < message.count) {
      const { message: next } = await ask(queueExport, { id, from: recipients.length });
      if (!next || next.recipients.length === 0) return undefined;
      recipients.push(...next.recipients);
    }
    try {
      const { chunks, close } = await openBody(realDisk, SPOOL, message.place);
      return { card: { about: message.about, recipients }, chunks: chunks(), close };
    } catch (thrown) {
      if (!(thrown instanceof Trouble) || looks >= LOOKS) throw thrown;
    }
  }
}

async function* stopped(messages: readonly Stored[]): AsyncGenerator<Found> {
  for (const { head, kept, warned, held, progress: rows } of messages) {
    const { recipients, ...envelope } = head.envelope;
    const { id, arrived, size } = head;
    const born = { state: "waiting", attempts: 0, next: bornAt(head), code: "", text: "" } as const;
    const carried = recipients.map(({ address, notify, original }, index): Carried => {
      const { state, attempts, next, code, text } = rows.get(index) ?? born;
      return { address, notify, original, state, attempts, next, code, text };
    });
    const { chunks, close } = await openBody(realDisk, SPOOL, kept.place);
    const about = { id, arrived, size, warned, held, envelope };
    yield { card: { about, recipients: carried }, chunks: chunks(), close };
  }
}

// ---- import ----

type Take = (card: Card, body: AsyncIterable<Buffer>) => Promise<void>;

interface Counts {
  imported: number;
  known: number;
  refused: number;
}

/** Refused ones that are named. */
const NAMED = 20;

export const importQueue: Run = async ({ directory, json, args }) => {
  const [file = STDIN] = args;
  const source = openIn(file === STDIN ? undefined : path.resolve(file));
  enter(directory);
  const counts: Counts = { imported: 0, known: 0, refused: 0 };
  const told = (id: string, { result, text }: ImportAnswer) => {
    if (result === "queued") counts.imported++;
    else if (result === "known") counts.known++;
    else if (++counts.refused <= NAMED)
      complain(`Message ${id} cannot be taken: ${text ?? "no reason was given"}`);
    progress(counts.imported + counts.known);
  };
  try {
    await ((await isDown())
      ? intoSpool(source, told)
      : withRole(directory, "queue", (ask) => intoQueue(ask, source, told)));
  } catch (thrown) {
    const bad = thrown instanceof BadFile ? thrown : undefined;
    if (!bad) throw thrown;
    const so = `${many(counts.imported)} imported, ${counts.known} known before`;
    throw new Refusal(
      `Cannot import "${file}": ${bad.message}; ${so}. What is here is left out the next time`,
    );
  }
  if (json) printJson(counts);
  else print(`${many(counts.imported)} imported, ${counts.known} known before, ${counts.refused} refused`);
  return counts.refused > 0 ? 1 : 0;
};

function openIn(at: string | undefined): AsyncIterable<Buffer> {
  if (at === undefined) return process.stdin;
  try {
    return Readable.from(fs.createReadStream(at, { fd: fs.openSync(at, "r") }), { objectMode: true });
  } catch (thrown) {
    throw new Refusal(
      `Cannot read "${at}": ${codeOf(thrown) === "ENOENT" ? "there is no such file" : messageOf(thrown)}`,
    );
  }
}

async function takeAll(source: AsyncIterable<Buffer>, take: Take): Promise<void> {
  for await (const { card, body } of read(source)) await take(card, body);
}

type Told = (id: string, answer: ImportAnswer) => void;

/** Through the queue that runs: small messages side by side, so that they share syncs. */
async function intoQueue(ask: Ask, source: AsyncIterable<Buffer>, told: Told): Promise<void> {
  const under = new Set<Promise<void>>();
  const start = (id: string, work: Promise<ImportAnswer>) => {
    const tracked = work.then((answer) => told(id, answer)).finally(() => under.delete(tracked));
    under.add(tracked);
  };
  try {
    await takeAll(source, async (card, body) => {
      const { id, size } = card.about;
      if (size > PART || card.recipients.length > RECIPIENTS)
        return told(id, await sendParts(ask, card, body));
      const bytes = Buffer.concat(await Array.fromAsync(body));
      const whole = { id, ...card, body: bytes.toString("base64"), last: true };
      start(id, ask(queueImport, whole));
      if (under.size >= TOGETHER) await Promise.race(under);
    });
  } finally {
    await Promise.all(under);
  }
}

async function sendParts(
  ask: Ask,
  { about, recipients }: Card,
  body: AsyncIterable<Buffer>,
): Promise<ImportAnswer> {
  const { id } = about;
  let answer: ImportAnswer = { result: "more" };
  const send = async (part: Omit<ImportPart, "id">) => {
    // the file is read to the end of the message, whatever the queue says
    if (answer.result === "more") answer = await ask(queueImport, { id, ...part });
  };
  for (let at = 0; at < recipients.length; at += RECIPIENTS)
    await send({
      ...(at === 0 ? { about } : {}),
      recipients: recipients.slice(at, at + RECIPIENTS),
      last: false,
    });
  for await (const chunk of body)
    for (let at = 0; at < chunk.length; at += PART)
      await send({ body: chunk.subarray(at, at + PART).toString("base64"), last: false });
  await send({ last: true });
  return answer;
}

/** Into the spool of a server that does not run, as the user who owns it. */
async function intoSpool(source: AsyncIterable<Buffer>, told: Told): Promise<void> {
  const owner = fs.statSync(SPOOL, { throwIfNoEntry: false });
  if (!owner)
    throw new Refusal("The server has never run, so it has no spool; start it once, or import while it runs");
  if (process.geteuid?.() === 0) {
    process.setegid?.(owner.gid);
    process.seteuid?.(owner.uid);
  }
  const lock = tryLock(path.join(SPOOL, "lock"));
  if (!lock) throw new Refusal("A queue works on the spool; try again", 111);
  const ignore = () => {};
  const spool = await openSpool({
    disk: realDisk,
    directory: SPOOL,
    clock: systemClock,
    events: {
      damage: (at) => complain(`Part of the spool cannot be read; it was set aside in ${at}`),
      syncFailed: (_, reason) => complain(reason.message),
      trouble: (reason) => complain(reason.message),
      forgotten: ignore,
      crowded: ignore,
    },
  });
  const { journal, recovered, saw } = spool;
  const isLive = (id: string) => recovered.messages.slotOf(id) !== undefined;
  const now = () => systemClock.now();
  const importing = new Importing({ disk: realDisk, directory: SPOOL, journal, isLive, saw, now });
  try {
    await takeAll(source, async ({ about, recipients }, body) => {
      const begun = await importing.begin({ ...about, ...unfold(about, recipients) });
      if ("kind" in begun) {
        // to the end of the message
        for await (const _ of body);
        return told(
          about.id,
          begun.kind === "known" ? { result: "known" } : { result: "refused", text: begun.text },
        );
      }
      for await (const chunk of body) await begun.write(chunk);
      const result = await begun.finish();
      told(
        about.id,
        result.kind === "refused" ? { result: "refused", text: result.text } : { result: result.kind },
      );
    });
  } finally {
    await journal.close();
    lock.release();
  }
}
