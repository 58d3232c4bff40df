// FETCH: which messages, which items, and the \Seen that reading sets; what each message answers is in answer.ts.

import type { Message } from "#store/maildir/folder.ts";
import { type FetchItem, readFetchItems } from "#wire/imap/fetch.ts";
import type { Arguments } from "#wire/imap/lexer.ts";
import { parseSequence, type SequenceSet } from "#wire/imap/sequence.ts";
import { Answer } from "./answer.ts";
import { no, ok, type Session, selectedVerb, type Tagged, type Verb } from "./state.ts";
import type { Picked, View } from "./view.ts";

/** Messages that are read while those before them are told. */
const AHEAD = 8;

export function readSet(args: Arguments): SequenceSet {
  args.space();
  const set = parseSequence(args.sequence());
  return set.ok ? set.value : args.fail(set.error);
}

interface Fetch {
  readonly set: SequenceSet;
  readonly items: readonly FetchItem[];
}

const parseFetch = (args: Arguments): Fetch => {
  const set = readSet(args);
  args.space();
  return { set, items: readFetchItems(args) };
};

export const fetchVerb = (byUid: boolean): Verb => ({
  ...selectedVerb(parseFetch, (session, view, { set, items }) => {
    // UID FETCH always tells the UID (RFC 9051 §6.4.9)
    const wanted =
      byUid && !items.some(({ kind }) => kind === "uid") ? [{ kind: "uid" } as const, ...items] : items;
    return runFetch(session, view, view.pick(set, byUid), wanted);
  }),
  ...(byUid ? {} : { keepsNumbers: true }),
});

async function runFetch(
  session: Session,
  view: View,
  picked: readonly Picked[],
  items: readonly FetchItem[],
): Promise<Tagged> {
  const sees = !view.readOnly && items.some((item) => item.kind === "section" && !item.peek);
  const more: readonly FetchItem[] = items.some(({ kind }) => kind === "flags") ? [] : [{ kind: "flags" }];
  let missing = 0;
  for (const { answer, number } of readAhead(session, view, picked, items)) {
    const seenNow = sees && (await see(view, answer.message));
    if (!(await answer.tell(number, seenNow ? more : []))) missing++;
  }
  return missing === 0 ? ok("Fetched") : no("[EXPUNGEISSUED] Some of the messages are gone");
}

/** The answers in order, those behind it being read already when one is given out. */
function* readAhead(session: Session, view: View, picked: readonly Picked[], items: readonly FetchItem[]) {
  const ready: { readonly answer: Answer; readonly number: number }[] = [];
  for (const { message, number } of picked) {
    const answer = new Answer(session, view, message, items);
    answer.prepare();
    ready.push({ answer, number });
    const first = ready.length > AHEAD ? ready.shift() : undefined;
    if (first) yield first;
  }
  yield* ready;
}

/** Reading a body sets \Seen (RFC 9051 §6.4.5); true when it was not set before. */
async function see(view: View, message: Message): Promise<boolean> {
  if (message.flags.includes("S")) return false;
  if (!(await view.folder.setFlags(message, (flags) => `${flags}S`))) return false;
  view.know(message);
  return true;
}
