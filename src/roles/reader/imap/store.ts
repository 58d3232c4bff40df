// STORE, EXPUNGE, COPY and MOVE: what changes messages.

import type { Finished, Folder, Message } from "#store/maildir/folder.ts";
import { letters, newBase } from "#store/maildir/names.ts";
import { canonicalName } from "#store/maildir/tree.ts";
import type { Arguments } from "#wire/imap/lexer.ts";
import { formatSequence, type SequenceSet } from "#wire/imap/sequence.ts";
import { parseUtf7 } from "#wire/imap/utf7.ts";
import { receivedAt, wireSize } from "../content.ts";
import { tellFates } from "./fates.ts";
import { readSet } from "./fetch.ts";
import { no, ok, type Session, selectedVerb, type Tagged, type Verb } from "./state.ts";
import type { View } from "./view.ts";

/** Flags in brackets or not, as letters; unknown keywords are not kept, \Recent cannot be set. */
export function readFlags(args: Arguments): string {
  const one = () => {
    const system = args.take("\\");
    return (system ? "\\" : "") + args.atom().toLowerCase();
  };
  if (args.peek() === "(") return lettersOf(args.list(one));
  const flags = [one()];
  while (args.take(" ")) flags.push(one());
  return lettersOf(flags);
}

const lettersOf = (flags: readonly string[]): string => flags.map((flag) => letters.get(flag) ?? "").join("");

interface Store {
  readonly set: SequenceSet;
  readonly how: "+" | "-" | "";
  readonly silent: boolean;
  readonly flags: string;
}

const parseStore = (args: Arguments): Store => {
  const set = readSet(args);
  args.space();
  const how = args.take("+") ? "+" : args.take("-") ? "-" : "";
  args.expect("FLAGS");
  const silent = args.take(".SILENT");
  args.space();
  return { set, how, silent, flags: readFlags(args) };
};

function applied(old: string, { how, flags }: Store): string {
  if (how === "+") return old + flags;
  if (how === "-") return [...old].filter((letter) => !flags.includes(letter)).join("");
  // letters that IMAP has no name for belong to other programs
  const known = new Set(letters.values());
  return flags + [...old].filter((letter) => !known.has(letter)).join("");
}

export const storeVerb = (byUid: boolean): Verb => ({
  ...selectedVerb(parseStore, async (session, view, store) => {
    if (view.readOnly) return no("[READ-ONLY] The mailbox is open for reading only");
    let missing = 0;
    for (const { number, message } of view.pick(store.set, byUid)) {
      if (!(await view.folder.setFlags(message, (old) => applied(old, store)))) {
        missing++;
        continue;
      }
      view.know(message);
      const uid = byUid ? `UID ${message.uid} ` : "";
      if (!store.silent) await session.say(`* ${number} FETCH (${uid}FLAGS ${view.flagsOf(message)})`);
    }
    return missing === 0 ? ok("Stored") : no("[EXPUNGEISSUED] Some of the messages are gone");
  }),
  ...(byUid ? {} : { keepsNumbers: true }),
});

async function expungeDeleted(view: View, among: readonly Message[]): Promise<void> {
  const doomed = among.filter(({ flags, gone }) => !gone && flags.includes("T"));
  if (doomed.length > 0) await view.folder.expunge(doomed);
}

export const expungeVerb: Verb = selectedVerb(
  () => undefined,
  async (_, view) => {
    if (view.readOnly) return no("[READ-ONLY] The mailbox is open for reading only");
    await expungeDeleted(view, view.list);
    return ok("Expunged");
  },
);

/** RFC 4315 §2.1. */
export const uidExpungeVerb: Verb = selectedVerb(readSet, async (_, view, set) => {
  if (view.readOnly) return no("[READ-ONLY] The mailbox is open for reading only");
  await expungeDeleted(
    view,
    view.pick(set, true).map(({ message }) => message),
  );
  return ok("Expunged");
});

export const closeVerb: Verb = selectedVerb(
  () => undefined,
  async (session, view) => {
    if (!view.readOnly) await expungeDeleted(view, view.list);
    session.view = undefined;
    return ok("Closed");
  },
);

/** A mailbox name as IMAP4rev1 writes it, in Unicode. */
export function readMailbox(args: Arguments): string {
  const name = parseUtf7(args.astring());
  return name.ok ? canonicalName(name.value) : args.fail(name.error);
}

interface Copy {
  readonly set: SequenceSet;
  readonly to: string;
}

const parseCopy = (args: Arguments): Copy => {
  const set = readSet(args);
  args.space();
  return { set, to: readMailbox(args) };
};

/** A copy is a second name of the same file: message files never change. Undefined when the message is gone. */
async function linkOne(
  session: Session,
  from: Folder,
  to: Folder,
  message: Message,
): Promise<Finished | undefined> {
  const file = await from.open(message);
  if (!file) return undefined;
  const size = await file.size().finally(() => file.close());
  const ms = await receivedAt(from, message, (at) => session.disk.stat(at));
  const sizes = { file: size, wire: await wireSize(from, message) };
  const base = newBase(ms, session.host, { sizes, from: message.base });
  const tmp = `${to.path}/tmp/${base}`;
  await session.disk.link(from.pathOf(message), tmp);
  return { tmp, base, flags: message.flags };
}

/** All messages or none become messages of the other mailbox (RFC 9051 §6.4.7); those already gone do not count. */
async function copy(
  session: Session,
  view: View,
  { set, to }: Copy,
  byUid: boolean,
): Promise<{ readonly reply: Tagged; readonly copied: readonly Message[] }> {
  const target = await session.tree.open(to);
  if (!target) return { reply: no("[TRYCREATE] There is no such mailbox"), copied: [] };
  const copied: Message[] = [];
  const files: Finished[] = [];
  try {
    for (const { message } of view.pick(set, byUid)) {
      const file = await linkOne(session, view.folder, target, message);
      if (!file) continue;
      copied.push(message);
      files.push(file);
    }
    if (copied.length === 0) return { reply: ok("Nothing to copy"), copied };
    const uids = await target.adopt(files);
    tellFates(session, { from: view.name, to, copied });
    // RFC 4315 §3
    const from = formatSequence(copied.map(({ uid }) => uid));
    return { reply: ok(`[COPYUID ${target.validity} ${from} ${formatSequence(uids)}] Copied`), copied };
  } catch (trouble) {
    for (const { tmp } of files) await session.disk.remove(tmp);
    throw trouble;
  }
}

export const copyVerb = (byUid: boolean): Verb =>
  selectedVerb(parseCopy, async (session, view, wanted) => (await copy(session, view, wanted, byUid)).reply);

/** RFC 6851: COPYUID goes out before the messages leave. */
export const moveVerb = (byUid: boolean): Verb =>
  selectedVerb(parseCopy, async (session, view, wanted) => {
    if (view.readOnly) return no("[READ-ONLY] The mailbox is open for reading only");
    const { reply, copied } = await copy(session, view, wanted, byUid);
    if (reply.status !== "OK" || copied.length === 0) return reply;
    await session.say(`* OK ${reply.text}`);
    await view.folder.expunge(copied);
    return ok("Moved");
  });

/** Moves all messages of a view; for RENAME of INBOX. */
export async function moveAll(session: Session, view: View, to: string): Promise<Tagged> {
  const all = [{ from: 1, to: Number.POSITIVE_INFINITY }];
  const { reply, copied } = await copy(session, view, { set: all, to }, false);
  if (reply.status === "OK" && copied.length > 0) await view.folder.expunge(copied);
  return reply.status === "OK" ? ok("Renamed") : reply;
}
