// THE table of IMAP commands after login: what each needs, how its arguments are read, what it does (RFC 9051 §6).

import type { Arguments } from "#wire/imap/lexer.ts";
import { fetchVerb } from "./fetch.ts";
import { mailboxVerbs } from "./mailboxes.ts";
import { searchVerb } from "./search.ts";
import { ok, selectedVerb, type Verb, verb } from "./state.ts";
import { closeVerb, copyVerb, expungeVerb, moveVerb, storeVerb, uidExpungeVerb } from "./store.ts";

/** What we really do; told after login. */
export const capabilities = "IMAP4rev1 LITERAL+ IDLE UIDPLUS MOVE UNSELECT NAMESPACE ID ENABLE CHILDREN";

const nothing = () => undefined;

/** NOOP and CHECK look for news; the loop tells them. */
const look: Verb = verb("login", nothing, async ({ view }) => {
  await view?.folder.scan();
  return ok("Done");
});

const readId = (args: Arguments): void => {
  args.space();
  if (args.take("NIL")) return;
  args.list(() => (args.take("NIL") ? "" : args.string()));
};

const readEnable = (args: Arguments): readonly string[] => {
  const names: string[] = [];
  while (args.take(" ")) names.push(args.keyword());
  return names;
};

export const verbs: Readonly<Record<string, Verb>> = {
  CAPABILITY: verb("login", nothing, async (session) => {
    await session.say(`* CAPABILITY ${capabilities}`);
    return ok("That is all");
  }),
  NOOP: look,
  CHECK: look,
  LOGOUT: verb("login", nothing, async (session) => {
    await session.say("* BYE Good bye");
    return { ...ok("Logged out"), next: "close" };
  }),
  ID: verb("login", readId, async (session) => {
    await session.say('* ID ("name" "Kenro")');
    return ok("Nice to meet you");
  }),
  NAMESPACE: verb("login", nothing, async (session) => {
    await session.say('* NAMESPACE (("" "/")) NIL NIL');
    return ok("Namespaces told");
  }),
  // RFC 5161: nothing here changes what a session says, so nothing is enabled
  ENABLE: verb("login", readEnable, async (session) => {
    await session.say("* ENABLED");
    return ok("Enabled what is known");
  }),
  ...mailboxVerbs,
  FETCH: fetchVerb(false),
  "UID FETCH": fetchVerb(true),
  STORE: storeVerb(false),
  "UID STORE": storeVerb(true),
  SEARCH: searchVerb(false),
  "UID SEARCH": searchVerb(true),
  COPY: copyVerb(false),
  "UID COPY": copyVerb(true),
  MOVE: moveVerb(false),
  "UID MOVE": moveVerb(true),
  EXPUNGE: expungeVerb,
  "UID EXPUNGE": uidExpungeVerb,
  CLOSE: closeVerb,
  UNSELECT: selectedVerb(nothing, async (session) => {
    session.view = undefined;
    return ok("Unselected");
  }),
  IDLE: verb("login", nothing, async () => ({ ...ok("Idle is over"), next: "idle" })),
};
