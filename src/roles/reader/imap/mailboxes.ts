// Commands about mailboxes: LIST, SELECT, STATUS, CREATE and their kin.

import type { Result } from "#base/result.ts";
import { canonicalName, type Refusal, SEPARATOR } from "#store/maildir/tree.ts";
import type { Arguments } from "#wire/imap/lexer.ts";
import { formatAstring } from "#wire/imap/response.ts";
import { formatUtf7, parseUtf7 } from "#wire/imap/utf7.ts";
import { wireSize } from "../content.ts";
import { no, ok, type Session, type Tagged, type Verb, verb } from "./state.ts";
import { moveAll, readMailbox } from "./store.ts";
import { View } from "./view.ts";

const wire = (name: string): string => formatAstring(formatUtf7(name));

const oneMailbox = (args: Arguments): string => {
  args.space();
  return readMailbox(args);
};

/** Characters of a pattern; names have fewer. */
const LONGEST_PATTERN = 500;

/** RFC 9051 §6.3.9: "*" matches everything, "%" all but the separator. INBOX in any case. */
function matcher(reference: string, pattern: string): (name: string) => boolean {
  // as plain steps over name and pattern: a regular expression from a client could be made to take for ever
  const wanted = canonicalName((reference + pattern).replaceAll(/\*[*%]*|%+/g, (run) => run[0] ?? ""));
  if (wanted.length > LONGEST_PATTERN) return () => false;
  return (name) => matches(name, wanted) || (name === "INBOX" && matches(name, wanted.toUpperCase()));
}

/** Which lengths of the name the pattern so far may have matched, moved on by each of its characters. */
function matches(name: string, pattern: string): boolean {
  let reached: ReadonlySet<number> = new Set([0]);
  for (const char of pattern) {
    reached = char === "*" || char === "%" ? spread(name, reached, char) : advance(name, reached, char);
    if (reached.size === 0) return false;
  }
  return reached.has(name.length);
}

const advance = (name: string, reached: ReadonlySet<number>, char: string): ReadonlySet<number> =>
  new Set([...reached].filter((at) => name[at] === char).map((at) => at + 1));

function spread(name: string, reached: ReadonlySet<number>, wildcard: string): ReadonlySet<number> {
  const next = new Set<number>();
  for (let at = Math.min(...reached); at <= name.length; at++) {
    const goesOn = next.has(at - 1) && (wildcard === "*" || name[at - 1] !== SEPARATOR);
    if (goesOn || reached.has(at)) next.add(at);
  }
  return next;
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

/** Names above those of the list that are not in it themselves. */
function missingParents(names: readonly string[]): readonly string[] {
  const all = new Set(names);
  const missing = new Set<string>();
  for (const name of names) {
    for (let at = name.lastIndexOf(SEPARATOR); at > 0; at = name.lastIndexOf(SEPARATOR, at - 1)) {
      const parent = name.slice(0, at);
      if (!all.has(parent)) missing.add(parent);
    }
  }
  return [...missing];
}

const listVerb: Verb = verb("login", parseList, async (session, { reference, patterns }) => {
  if (patterns.length === 1 && patterns[0] === "") {
    await session.say(`* LIST (\\Noselect) "${SEPARATOR}" ""`);
    return ok("Listed");
  }
  const names = await session.tree.names();
  const absent = new Set(missingParents(names));
  const parents = new Set([...names, ...absent].map((name) => name.slice(0, name.lastIndexOf(SEPARATOR))));
  const wanted = matching({ reference, patterns });
  for (const name of [...names, ...absent].filter(wanted)) {
    const children = parents.has(name) ? "\\HasChildren" : "\\HasNoChildren";
    const shown = absent.has(name) ? `\\Noselect ${children}` : children;
    await session.say(`* LIST (${shown}) "${SEPARATOR}" ${wire(name)}`);
  }
  return ok("Listed");
});

/** RFC 3501 §6.3.9: with "%", a parent of subscribed names is told although it is not subscribed itself. */
const lsubVerb: Verb = verb("login", parseList, async (session, list) => {
  const names = await session.tree.subscriptions();
  const wanted = matching(list);
  for (const name of names.filter(wanted)) await session.say(`* LSUB () "${SEPARATOR}" ${wire(name)}`);
  if (!list.patterns.some((pattern) => pattern.endsWith("%"))) return ok("Listed");
  for (const name of missingParents(names).filter(wanted))
    await session.say(`* LSUB (\\Noselect) "${SEPARATOR}" ${wire(name)}`);
  return ok("Listed");
});

function matching({ reference, patterns }: List): (name: string) => boolean {
  const matchers = patterns.map((pattern) => matcher(reference, pattern));
  return (name) => matchers.some((match) => match(name));
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

const codes = { exists: "ALREADYEXISTS", missing: "NONEXISTENT", impossible: "CANNOT" } as const;

const tagged = (result: Result<true, Refusal>, done: string): Tagged =>
  result.ok ? ok(done) : no(`[${codes[result.error.problem]}] Cannot do that: ${result.error.text}`);

const parseRename = (args: Arguments) => ({ from: oneMailbox(args), to: oneMailbox(args) });

/** RFC 9051 §6.3.6: renaming INBOX moves its messages into the new mailbox and leaves it there, empty. */
async function renameInbox(session: Session, to: string): Promise<Tagged> {
  const made = await session.tree.create(to);
  const inbox = await session.tree.open("INBOX");
  if (!made.ok || !inbox) return tagged(made, "");
  await inbox.scan();
  const view = new View("INBOX", inbox, true);
  return moveAll(session, view, to);
}

export const mailboxVerbs: Readonly<Record<string, Verb>> = {
  LIST: listVerb,
  LSUB: lsubVerb,
  SELECT: selectVerb(false),
  EXAMINE: selectVerb(true),
  STATUS: statusVerb,
  CREATE: verb("login", oneMailbox, async ({ tree }, name) => tagged(await tree.create(name), "Created")),
  DELETE: verb("login", oneMailbox, async ({ tree }, name) => tagged(await tree.remove(name), "Deleted")),
  RENAME: verb("login", parseRename, async (session, { from, to }) =>
    from === "INBOX" ? renameInbox(session, to) : tagged(await session.tree.rename(from, to), "Renamed"),
  ),
  SUBSCRIBE: verb("login", oneMailbox, async ({ tree }, name) =>
    tagged(await tree.subscribe(name, true), "Subscribed"),
  ),
  UNSUBSCRIBE: verb("login", oneMailbox, async ({ tree }, name) =>
    tagged(await tree.subscribe(name, false), "Unsubscribed"),
  ),
};
