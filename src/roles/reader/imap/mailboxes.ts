// Commands about mailboxes: LIST, SELECT, STATUS, CREATE and their kin.

import type { Result } from "#base/result.ts";
import { SEPARATOR } from "#store/maildir/tree.ts";
import type { Arguments } from "#wire/imap/lexer.ts";
import { formatMailbox } from "#wire/imap/response.ts";
import { formatUtf7, parseUtf7 } from "#wire/imap/utf7.ts";
import { wireSize } from "../content.ts";
import { no, ok, type Session, type Tagged, type Verb, verb } from "./state.ts";
import { readMailbox } from "./store.ts";
import { View } from "./view.ts";

const wire = (name: string): string => formatMailbox(formatUtf7(name));

const oneMailbox = (args: Arguments): string => {
  args.space();
  return readMailbox(args);
};

/** RFC 9051 §6.3.9: "*" matches everything, "%" all but the separator. INBOX in any case. */
function matcher(reference: string, pattern: string): (name: string) => boolean {
  // as a plain loop over name and pattern: a regular expression from a client could be made to take for ever
  const wanted = reference + pattern;
  return (name) => matches(name, wanted) || (name === "INBOX" && matches(name, wanted.toUpperCase()));
}

function matches(name: string, pattern: string): boolean {
  // how many characters of the name the pattern so far may have matched
  let reachable = new Set([0]);
  for (const char of pattern) {
    const next = new Set<number>();
    for (const at of reachable) {
      for (const end of stepsOf(name, at, char)) next.add(end);
    }
    reachable = next;
  }
  return reachable.has(name.length);
}

/** Where one character of a pattern may lead from a place in the name. */
function* stepsOf(name: string, at: number, char: string): Generator<number> {
  if (char !== "*" && char !== "%") {
    if (name[at] === char) yield at + 1;
    return;
  }
  for (let end = at; end <= name.length; end++) {
    yield end;
    if (char === "%" && name[end] === SEPARATOR) return;
  }
}

interface List {
  readonly reference: string;
  readonly patterns: readonly string[];
}

const parseList = (args: Arguments): List => {
  args.space();
  const reference = args.astring();
  args.space();
  const decode = (text: string) => {
    const name = parseUtf7(text);
    return name.ok ? name.value : text;
  };
  return { reference: decode(reference), patterns: args.listOrOne(() => decode(args.pattern())) };
};

const attributes = (name: string, all: readonly string[]): string => {
  const children = all.some((other) => other.startsWith(name + SEPARATOR));
  return children ? "\\HasChildren" : "\\HasNoChildren";
};

const listVerb: Verb = verb("login", parseList, async (session, { reference, patterns }) => {
  if (patterns.length === 1 && patterns[0] === "") {
    await session.say(`* LIST (\\Noselect) "${SEPARATOR}" ""`);
    return ok("Listed");
  }
  await tellList(session, "LIST", await session.tree.names(), { reference, patterns });
  return ok("Listed");
});

const lsubVerb: Verb = verb("login", parseList, async (session, wanted) => {
  await tellList(session, "LSUB", await session.tree.subscriptions(), wanted);
  return ok("Listed");
});

async function tellList(
  session: Session,
  word: string,
  names: readonly string[],
  { reference, patterns }: List,
): Promise<void> {
  const matchers = patterns.map((pattern) => matcher(reference, pattern));
  for (const name of names) {
    if (!matchers.some((match) => match(name))) continue;
    const shown = word === "LIST" ? attributes(name, names) : "";
    await session.say(`* ${word} (${shown}) "${SEPARATOR}" ${wire(name)}`);
  }
}

const selectVerb = (readOnly: boolean): Verb =>
  verb("login", oneMailbox, async (session, name) => {
    if (session.view) await session.say("* OK [CLOSED] The mailbox before is closed");
    session.view = undefined;
    const folder = await session.tree.open(name);
    if (!folder) return no("[NONEXISTENT] There is no such mailbox");
    await folder.scan();
    const view = new View(name, folder, readOnly);
    if (!readOnly) await folder.settleNew();
    for (const line of selected(view)) await session.say(line);
    for (const message of view.list) view.know(message);
    session.view = view;
    return ok(readOnly ? "[READ-ONLY] Selected" : "[READ-WRITE] Selected");
  });

/** RFC 9051 §6.3.2 and RFC 3501 §6.3.1: what SELECT tells. */
function selected({ list, recent, folder, readOnly }: View): readonly string[] {
  const unseen = list.findIndex(({ flags }) => !flags.includes("S")) + 1;
  const known = "\\Answered \\Flagged \\Deleted \\Seen \\Draft $Forwarded";
  return [
    `* FLAGS (${known})`,
    `* OK [PERMANENTFLAGS (${readOnly ? "" : known})] These are kept`,
    `* ${list.length} EXISTS`,
    `* ${recent.size} RECENT`,
    ...(unseen > 0 ? [`* OK [UNSEEN ${unseen}] The first unseen message`] : []),
    `* OK [UIDVALIDITY ${folder.validity}] UIDs are valid`,
    `* OK [UIDNEXT ${folder.nextUid}] The next UID`,
  ];
}

const statusItems = ["MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "DELETED", "SIZE"] as const;
type StatusItem = (typeof statusItems)[number];

const parseStatus = (args: Arguments) => {
  const mailbox = oneMailbox(args);
  args.space();
  const items = args.list(() => {
    const word = args.keyword();
    return statusItems.find((item) => item === word) ?? args.fail(`unknown status item "${word}"`);
  });
  return { mailbox, items };
};

const statusVerb: Verb = verb("login", parseStatus, async (session, { mailbox, items }) => {
  const folder = await session.tree.open(mailbox);
  if (!folder) return no("[NONEXISTENT] There is no such mailbox");
  await folder.scan();
  const values: Readonly<Record<StatusItem, () => number | Promise<number>>> = {
    MESSAGES: () => folder.messages.length,
    RECENT: () => folder.messages.filter(({ recent }) => recent).length,
    UIDNEXT: () => folder.nextUid,
    UIDVALIDITY: () => folder.validity,
    UNSEEN: () => folder.messages.filter(({ flags }) => !flags.includes("S")).length,
    DELETED: () => folder.messages.filter(({ flags }) => flags.includes("T")).length,
    SIZE: async () => {
      let sum = 0;
      for (const message of folder.messages) sum += await wireSize(folder, message);
      return sum;
    },
  };
  const told: string[] = [];
  for (const item of items) told.push(`${item} ${await values[item]()}`);
  await session.say(`* STATUS ${wire(mailbox)} (${told.join(" ")})`);
  return ok("Status told");
});

const tagged = (result: Result<true>, done: string): Tagged =>
  result.ok ? ok(done) : no(`[CANNOT] Cannot do that: ${result.error}`);

const parseRename = (args: Arguments) => ({ from: oneMailbox(args), to: oneMailbox(args) });

export const mailboxVerbs: Readonly<Record<string, Verb>> = {
  LIST: listVerb,
  LSUB: lsubVerb,
  SELECT: selectVerb(false),
  EXAMINE: selectVerb(true),
  STATUS: statusVerb,
  CREATE: verb("login", oneMailbox, async ({ tree }, name) => tagged(await tree.create(name), "Created")),
  DELETE: verb("login", oneMailbox, async ({ tree }, name) => tagged(await tree.remove(name), "Deleted")),
  RENAME: verb("login", parseRename, async ({ tree }, { from, to }) =>
    tagged(await tree.rename(from, to), "Renamed"),
  ),
  SUBSCRIBE: verb("login", oneMailbox, async ({ tree }, name) => {
    await tree.subscribe(name, true);
    return ok("Subscribed");
  }),
  UNSUBSCRIBE: verb("login", oneMailbox, async ({ tree }, name) => {
    await tree.subscribe(name, false);
    return ok("Unsubscribed");
  }),
};
