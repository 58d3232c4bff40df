// IMAP before login: RFC 9051 §6.1, §6.2.

import { limits } from "#base/limits.ts";
import { nextOf } from "#sys/conn.ts";
import { type CommandEvent, CommandReader, type Piece } from "#wire/imap/command.ts";
import { type Arguments, parseArguments, readHead } from "#wire/imap/lexer.ts";
import { parsePlain } from "#wire/sasl/plain.ts";
import { type Door, type DoorEnd, mayLogIn, maySecure, over } from "./state.ts";

const LINE = 8192;
/** All literals of one command together: a user name and a password. */
const LITERAL = 4096;

interface ImapDoor {
  readonly door: Door;
  readonly reader: CommandReader;
  attempts: number;
  bad: number;
}

interface Reply {
  readonly status: "OK" | "NO" | "BAD";
  readonly text: string;
  readonly next?: "tls" | "close";
}

type Step = Reply | DoorEnd;

const ok = (text: string): Reply => ({ status: "OK", text });
const no = (text: string): Reply => ({ status: "NO", text });
const bad = (text: string): Reply => ({ status: "BAD", text });

function capabilities(door: Door): string {
  const tls = maySecure(door) ? " STARTTLS" : "";
  const login = mayLogIn(door) ? " AUTH=PLAIN SASL-IR" : " LOGINDISABLED";
  return `IMAP4rev1 LITERAL+ ID ENABLE${tls}${login}`;
}

const PRIVACY = "[PRIVACYREQUIRED] Use STARTTLS before you log in";

/** A verb reads its arguments at once and runs later. */
type Verb = (state: ImapDoor, tag: string, args: Arguments) => () => Step | Promise<Step>;

const simple =
  (run: (state: ImapDoor) => Step | Promise<Step>): Verb =>
  (state, _, args) => {
    args.end();
    return () => run(state);
  };

async function logIn(state: ImapDoor, tag: string, user: string, password: string): Promise<Step> {
  const { door, reader } = state;
  if (!mayLogIn(door)) return no(PRIVACY);
  if (user.length > limits.login.userBytes || password.length > limits.login.passwordBytes)
    return no("[AUTHENTICATIONFAILED] Wrong user name or password");
  const answer = await door.login(user, password).catch(() => undefined);
  if (!answer) return no("[UNAVAILABLE] Logins do not work now; try again later");
  if (answer.kind === "denied") {
    await door.slowDown();
    const reply = no("[AUTHENTICATIONFAILED] Wrong user name or password");
    if (++state.attempts < limits.login.attemptsPerConnection) return reply;
    await door.stream.write(`${tag} NO ${reply.text}\r\n* BYE Too many attempts\r\n`);
    return over("too many failed logins");
  }
  const rest = reader.takeRest();
  if (await door.handOver(answer, tag, rest)) return { kind: "handedOver" };
  reader.feed(rest);
  return no("[UNAVAILABLE] The mailbox cannot be opened now; try again later");
}

const login: Verb = (state, tag, args) => {
  args.space();
  const user = bytesToText(args.astring());
  args.space();
  const password = bytesToText(args.astring());
  args.end();
  return () => logIn(state, tag, user, password);
};

const bytesToText = (bytes: string): string => Buffer.from(bytes, "latin1").toString("utf8");

/** RFC 9051 §6.2.2, with the response at once (RFC 4959) or after "+". */
const authenticate: Verb = (state, tag, args) => {
  args.space();
  const mechanism = args.keyword();
  const initial = args.take(" ") ? args.astring() : undefined;
  args.end();
  return async () => {
    if (mechanism !== "PLAIN") return no("[CANNOT] Only PLAIN is offered");
    if (!mayLogIn(state.door)) return no(PRIVACY);
    const response = initial ?? (await readResponse(state));
    if (response === undefined) return over("closed during AUTHENTICATE");
    if (response === "*") return bad("Cancelled");
    const plain = parsePlain(response);
    return plain.ok
      ? logIn(state, tag, plain.value.user, plain.value.password)
      : bad(`Cannot log in: ${plain.error}`);
  };
};

async function readResponse({ door, reader }: ImapDoor): Promise<string | undefined> {
  await door.stream.write("+ \r\n");
  const event = await nextOf(reader, door.stream, limits.imap.loginTimeout);
  if (event?.kind !== "command") return undefined;
  const [line] = event.pieces;
  return typeof line === "string" ? line : "";
}

const readId: Verb = ({ door }, _, args) => {
  args.space();
  if (!args.take("NIL")) args.list(() => (args.take("NIL") ? "" : args.string()));
  args.end();
  return async () => {
    await door.stream.write('* ID ("name" "Kenro")\r\n');
    return ok("Nice to meet you");
  };
};

const verbs: Readonly<Record<string, Verb>> = {
  CAPABILITY: simple(async ({ door }) => {
    await door.stream.write(`* CAPABILITY ${capabilities(door)}\r\n`);
    return ok("That is all");
  }),
  NOOP: simple(() => ok("Done")),
  ID: readId,
  STARTTLS: simple(({ door }) => {
    if (maySecure(door)) return { ...ok("Begin TLS"), next: "tls" };
    return bad(door.stream.tls ? "TLS is active already" : "TLS is not spoken here");
  }),
  LOGIN: login,
  AUTHENTICATE: authenticate,
  LOGOUT: simple(async ({ door }) => {
    await door.stream.write("* BYE Good bye\r\n");
    return { ...ok("Logged out"), next: "close" };
  }),
};

/** Speaks until login, handover or the end. Trouble when the peer is gone or silent too long. */
export async function imapDoor(door: Door): Promise<DoorEnd> {
  const state: ImapDoor = { door, reader: new CommandReader(LINE), attempts: 0, bad: 0 };
  await door.stream.write(`* OK [CAPABILITY ${capabilities(door)}] ${door.hostname} Kenro IMAP\r\n`);
  for (;;) {
    const event = await nextOf(state.reader, door.stream, limits.imap.loginTimeout);
    if (!event) return over("closed by the client");
    const end = await take(state, event);
    if (end) return end;
  }
}

async function take(state: ImapDoor, event: CommandEvent): Promise<DoorEnd | undefined> {
  const { door, reader } = state;
  switch (event.kind) {
    case "command":
      return command(state, event.pieces);
    case "literal":
      if (event.held + event.size > LITERAL)
        return leave(door, "* BYE The literal is too long", "literal too long");
      reader.accept("keep");
      if (event.sync) await door.stream.write("+ Go ahead\r\n");
      return undefined;
    case "data":
    case "tooLong":
      return leave(door, "* BYE The line is too long", "line too long");
  }
}

async function leave(door: Door, line: string, reason: string): Promise<DoorEnd> {
  await door.stream.write(`${line}\r\n`);
  return over(reason);
}

async function command(state: ImapDoor, pieces: readonly Piece[]): Promise<DoorEnd | undefined> {
  const { door } = state;
  const head = readHead(pieces);
  const tag = head?.tag ?? "*";
  const verb = head && Object.hasOwn(verbs, head.verb) ? verbs[head.verb] : undefined;
  const ready = head && verb ? parseArguments(head.args, (args) => verb(state, tag, args)) : undefined;
  const step = ready?.ok
    ? await ready.value()
    : bad(ready ? `Cannot read the arguments: ${ready.error}` : "Log in first, with LOGIN or AUTHENTICATE");
  if ("kind" in step) return step;
  await door.stream.write(`${tag} ${step.status} ${step.text}\r\n`);
  if (step.next === "close") return over("logout");
  if (step.status === "BAD" && ++state.bad >= limits.imap.badCommands)
    return leave(door, "* BYE Too many wrong commands", "too many wrong commands");
  return step.next === "tls" ? startTls(state) : undefined;
}

async function startTls({ door, reader }: ImapDoor): Promise<DoorEnd | undefined> {
  // what was sent behind STARTTLS in clear could come from anybody
  if (reader.takeRest().length > 0) return over("bytes behind STARTTLS");
  if (door.tls) await door.stream.secure(door.tls);
  return undefined;
}
