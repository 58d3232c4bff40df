// A POP3 session after login (RFC 1939): a snapshot of INBOX, a table of verbs, one loop that writes.

import { limits } from "#base/limits.ts";
import { Trouble } from "#base/problem.ts";
import type { Folder, Message } from "#store/maildir/folder.ts";
import { nextOf, type Stream } from "#sys/conn.ts";
import { LineReader, parseCommand } from "#wire/pop3/command.ts";
import { chunksOf, wireSize } from "../content.ts";

interface Entry {
  readonly message: Message;
  readonly size: number;
  deleted: boolean;
}

interface Session {
  readonly stream: Stream;
  readonly folder: Folder;
  readonly entries: readonly Entry[];
}

/** A reply: a line, then lines or a message and the final dot. "close" after it. */
interface Reply {
  readonly line: string;
  readonly lines?: readonly string[];
  readonly message?: { readonly entry: Entry; readonly bodyLines: number };
  readonly next?: "close";
}

type Verb = (session: Session, words: readonly string[]) => Promise<Reply> | Reply;

const ok = (text: string, more: Omit<Reply, "line"> = {}): Reply => ({ line: `+OK ${text}`, ...more });
const no = (text: string): Reply => ({ line: `-ERR ${text}` });

function find(session: Session, word: string | undefined): Entry | Reply {
  if (word === undefined || !/^\d{1,9}$/.test(word)) return no("give the number of a message");
  const entry = session.entries[Number(word) - 1];
  if (!entry) return no("no such message");
  return entry.deleted ? no("that message is deleted") : entry;
}

const isReply = (found: Entry | Reply): found is Reply => "line" in found;

/** One line for a message, or a list of all. RFC 1939 §5 (LIST), §7 (UIDL). */
function listing(session: Session, word: string | undefined, show: (entry: Entry) => string | number): Reply {
  if (word !== undefined) {
    const entry = find(session, word);
    return isReply(entry) ? entry : ok(`${Number(word)} ${show(entry)}`);
  }
  const lines = session.entries.flatMap((entry, at) => (entry.deleted ? [] : [`${at + 1} ${show(entry)}`]));
  return ok(`${lines.length} messages`, { lines });
}

/** As Dovecot writes it by default, so that a site moves in and nobody fetches all again. */
function uidl(folder: Folder, message: Message): string {
  const hex = (value: number) => value.toString(16).padStart(8, "0");
  return folder.oldUidl(message) ?? hex(message.uid) + hex(folder.validity);
}

const remaining = (session: Session) => session.entries.filter(({ deleted }) => !deleted);

/** RFC 1939 §6: only QUIT removes what DELE marked. */
async function quit(session: Session): Promise<Reply> {
  const doomed = session.entries.filter(({ deleted }) => deleted).map(({ message }) => message);
  if (doomed.length > 0) await session.folder.expunge(doomed);
  return ok("Good bye", { next: "close" });
}

const capabilities = [
  "TOP",
  "UIDL",
  "USER",
  "RESP-CODES",
  "AUTH-RESP-CODE",
  "PIPELINING",
  "IMPLEMENTATION Kenro",
];

const verbs: Readonly<Record<string, Verb>> = {
  CAPA: () => ok("What this server can", { lines: capabilities }),
  STAT: (session) => {
    const left = remaining(session);
    return ok(`${left.length} ${left.reduce((sum, { size }) => sum + size, 0)}`);
  },
  LIST: (session, [word]) => listing(session, word, ({ size }) => size),
  UIDL: (session, [word]) => listing(session, word, ({ message }) => uidl(session.folder, message)),
  RETR: (session, [word]) => {
    const entry = find(session, word);
    return isReply(entry)
      ? entry
      : ok(`${entry.size} octets`, { message: { entry, bodyLines: Number.POSITIVE_INFINITY } });
  },
  TOP: (session, [word, lines]) => {
    const entry = find(session, word);
    if (isReply(entry)) return entry;
    if (lines === undefined || !/^\d{1,9}$/.test(lines)) return no("give a message and a number of lines");
    return ok("the top of the message follows", { message: { entry, bodyLines: Number(lines) } });
  },
  DELE: (session, [word]) => {
    const entry = find(session, word);
    if (isReply(entry)) return entry;
    entry.deleted = true;
    return ok("marked; it goes at QUIT");
  },
  RSET: (session) => {
    for (const entry of session.entries) entry.deleted = false;
    return ok(`${session.entries.length} messages`);
  },
  NOOP: () => ok("still here"),
  QUIT: quit,
};

/** Serves the session until it ends; the reason for the log. Trouble when the peer is gone or the disk fails. */
export async function servePop3(stream: Stream, folder: Folder): Promise<string> {
  await folder.scan();
  await folder.settleNew();
  const entries: Entry[] = [];
  for (const message of folder.messages)
    entries.push({ message, size: await wireSize(folder, message), deleted: false });
  const session: Session = { stream, folder, entries };
  await stream.write(`+OK Logged in, ${entries.length} messages\r\n`);
  const lines = new LineReader();
  let bad = 0;
  for (;;) {
    const line = await nextOf(lines, stream, limits.pop3.idleTimeout);
    if (line === undefined) return "closed by the client";
    const { verb, words } = parseCommand(line);
    const run = line !== "tooLong" && Object.hasOwn(verbs, verb) ? verbs[verb] : undefined;
    const reply = run ? await answer(run, session, words) : no("unknown command");
    if (!run && ++bad >= limits.pop3.badCommands) return "too many unknown commands";
    await send(session, reply);
    if (reply.next === "close") return "quit";
  }
}

/** The world's failure is an answer for this command only (RFC 3206). */
async function answer(run: Verb, session: Session, words: readonly string[]): Promise<Reply> {
  try {
    return await run(session, words);
  } catch (thrown) {
    if (!(thrown instanceof Trouble)) throw thrown;
    return no("[SYS/TEMP] That cannot be done now; try again later");
  }
}

async function send({ stream, folder }: Session, reply: Reply): Promise<void> {
  if (!reply.lines && !reply.message) return await stream.write(`${reply.line}\r\n`);
  if (reply.lines) {
    const text = reply.lines.map((line) => `${line}\r\n`).join("");
    return await stream.write(`${reply.line}\r\n${text}.\r\n`);
  }
  if (reply.message) await sendMessage(stream, folder, { line: reply.line, ...reply.message });
}

/** RFC 1939 §3: a line that begins with a dot gets another one; a last line without its end gets one. */
async function sendMessage(
  stream: Stream,
  folder: Folder,
  { line, entry, bodyLines }: NonNullable<Reply["message"]> & { readonly line: string },
): Promise<void> {
  const top = new Top(bodyLines);
  // the reply goes with the first bytes: a message that another session has removed is told as such
  let head = `${line}\r\n`;
  let atLineStart = true;
  for await (const chunk of chunksOf(folder, entry.message)) {
    const text = top.feed(chunk.toString("latin1"));
    if (text !== "") {
      const stuffed = (atLineStart && text.startsWith(".") ? "." : "") + text.replaceAll("\n.", "\n..");
      atLineStart = text.endsWith("\n");
      await stream.write(Buffer.from(head + stuffed, "latin1"));
      head = "";
    }
    if (top.done) break;
  }
  if (head !== "" && entry.message.gone) return await stream.write("-ERR that message is gone\r\n");
  await stream.write(`${head}${atLineStart ? "" : "\r\n"}.\r\n`);
}

/** The header and so many lines of the body (RFC 1939 §7, TOP). */
class Top {
  #left: number;
  #inHeader = true;
  /** The line so far is empty. */
  #empty = true;

  constructor(bodyLines: number) {
    this.#left = bodyLines;
  }

  get done(): boolean {
    return !this.#inHeader && this.#left <= 0;
  }

  feed(text: string): string {
    if (this.#left === Number.POSITIVE_INFINITY) return text;
    let at = 0;
    while (at < text.length && !this.done) {
      const end = text.indexOf("\n", at);
      const line = text.slice(at, end < 0 ? text.length : end);
      const empty = this.#empty && (line === "" || line === "\r");
      at = end < 0 ? text.length : end + 1;
      this.#empty = end >= 0 || empty;
      if (end >= 0) this.#count(empty);
    }
    return text.slice(0, at);
  }

  /** One line is over. */
  #count(empty: boolean): void {
    if (!this.#inHeader) this.#left--;
    else if (empty) this.#inHeader = false;
  }
}
