// POP3 before login: RFC 1939 §4, RFC 2449 (CAPA), RFC 2595 §4 (STLS).

import { limits } from "#base/limits.ts";
import { nextOf } from "#sys/conn.ts";
import { LineReader, parseCommand } from "#wire/pop3/command.ts";
import { type Door, type DoorEnd, mayLogIn, maySecure, over } from "./state.ts";

interface Pop3Door {
  readonly door: Door;
  readonly lines: LineReader;
  user: string | undefined;
  attempts: number;
  bad: number;
}

type Step = { readonly reply: string; readonly next?: "tls" } | DoorEnd;

/** Names and passwords are UTF-8 (RFC 6856 §2.2), lines here one character a byte. */
const text = (bytes: string): string => Buffer.from(bytes, "latin1").toString("utf8");

const no = (why: string): Step => ({ reply: `-ERR ${why}` });
const ok = (what: string): Step => ({ reply: `+OK ${what}` });

function capabilities({ door }: Pop3Door): Step {
  const lines = ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING"];
  if (mayLogIn(door)) lines.push("USER");
  if (maySecure(door)) lines.push("STLS");
  return { reply: ["+OK What this server can", ...lines, "."].join("\r\n") };
}

async function pass(state: Pop3Door, password: string): Promise<Step> {
  const { door, user } = state;
  if (!mayLogIn(door)) return no("[AUTH] Use STLS before you log in");
  if (user === undefined) return no("USER first");
  state.user = undefined;
  // auth takes a longer question for garbage and closes the link, on which others log in too
  if (password.length > limits.login.passwordBytes) return no("[AUTH] The password is too long");
  const answer = await door.login(user, text(password)).catch(() => undefined);
  if (!answer) return no("[SYS/TEMP] Logins do not work now; try again later");
  if (answer.kind === "denied") {
    await door.slowDown();
    if (++state.attempts < limits.login.attemptsPerConnection)
      return no("[AUTH] Wrong user name or password");
    await door.stream.write("-ERR [AUTH] Wrong user name or password; too many attempts\r\n");
    return over("too many failed logins");
  }
  const rest = state.lines.takeRest();
  if (await door.handOver(answer, "", rest)) return { kind: "handedOver" };
  state.lines.feed(rest);
  return no("[SYS/TEMP] The mailbox cannot be opened now; try again later");
}

type Verb = (state: Pop3Door, rest: string) => Step | Promise<Step>;

const verbs: Readonly<Record<string, Verb>> = {
  CAPA: capabilities,
  NOOP: () => ok("still here"),
  STLS: ({ door }) => {
    if (maySecure(door)) return { ...(ok("Begin TLS") as { reply: string }), next: "tls" };
    return no(door.stream.tls ? "TLS is active already" : "TLS is not spoken here");
  },
  USER: (state, rest) => {
    if (!mayLogIn(state.door)) return no("[AUTH] Use STLS before you log in");
    if (rest === "" || rest.length > limits.login.userBytes) return no("give a user name");
    state.user = text(rest);
    return ok("Now the password");
  },
  PASS: pass,
  QUIT: async ({ door }) => {
    await door.stream.write("+OK Good bye\r\n");
    return over("quit");
  },
};

/** Speaks until login, handover or the end. Trouble when the peer is gone or silent too long. */
export async function pop3Door(door: Door): Promise<DoorEnd> {
  const state: Pop3Door = {
    door,
    lines: new LineReader(limits.login.passwordBytes + 16),
    user: undefined,
    attempts: 0,
    bad: 0,
  };
  await door.stream.write(`+OK ${door.hostname} Kenro POP3\r\n`);
  for (;;) {
    const line = await nextOf(state.lines, door.stream, limits.imap.loginTimeout);
    if (line === undefined) return over("closed by the client");
    const end = await command(state, line);
    if (end) return end;
  }
}

async function command(state: Pop3Door, line: string): Promise<DoorEnd | undefined> {
  const { door, lines } = state;
  const { verb, rest } = parseCommand(line);
  const run = line !== "tooLong" && Object.hasOwn(verbs, verb) ? verbs[verb] : undefined;
  if (!run && ++state.bad >= limits.pop3.badCommands) return over("too many unknown commands");
  const step = run ? await run(state, rest) : no("unknown command; log in with USER and PASS");
  if ("kind" in step) return step;
  await door.stream.write(`${step.reply}\r\n`);
  if (step.next !== "tls" || !door.tls) return undefined;
  // what was sent behind STLS in clear could come from anybody: RFC 3207 §4.2's reasoning
  if (lines.takeRest().length > 0) return over("bytes behind STLS");
  await door.stream.secure(door.tls);
  state.user = undefined;
  return undefined;
}
