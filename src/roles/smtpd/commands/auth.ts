// AUTH (RFC 4954): PLAIN and LOGIN, on submission, under TLS. Who somebody is, only the role auth knows.

import { pause } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { Trouble } from "#base/problem.ts";
import { err, ok, type Result } from "#base/result.ts";
import { parseLogin } from "#wire/sasl/login.ts";
import { type PlainCredentials, parsePlain } from "#wire/sasl/plain.ts";
import { replies } from "#wire/smtp/replies.ts";
import type { Reply } from "#wire/smtp/reply.ts";
import { type Account, type Answer, type Connection, closing } from "../state.ts";

export interface AuthQuestion {
  readonly mechanism: Mechanism;
  /** The initial response, in base64; undefined: there is none. */
  readonly initial: string | undefined;
}

type Mechanism = (connection: Connection, initial: string | undefined) => Answer | Promise<Answer>;

const mechanisms: ReadonlyMap<string, Mechanism> = new Map([
  ["PLAIN", plain],
  ["LOGIN", login],
]);

export function authQuestion(rest: string): Result<AuthQuestion, Reply> {
  const [name = "", response, ...more] = rest.split(" ");
  if (name === "") return err(replies.argumentMissing);
  const mechanism = mechanisms.get(name.toUpperCase());
  if (!mechanism) return err(replies.authMechanism);
  if (more.length > 0) return err(replies.authSyntax);
  // RFC 4954 §4: "=" is an initial response of no bytes
  return ok({ mechanism, initial: response === "=" ? "" : response });
}

export function authenticate(connection: Connection, question: AuthQuestion): Answer | Promise<Answer> {
  return question.mechanism(connection, question.initial);
}

function plain(connection: Connection, initial: string | undefined): Answer | Promise<Answer> {
  const judge = (response: string) => settle(connection, parsePlain(response));
  return initial === undefined ? ask(replies.authContinue, judge) : judge(initial);
}

function login(connection: Connection, initial: string | undefined): Answer | Promise<Answer> {
  const second = (user: string) =>
    ask(replies.authPassword, (password) => settle(connection, parseLogin(user, password)));
  return initial === undefined ? ask(replies.authUsername, second) : second(initial);
}

/** Prompts, and hands the response to `take`. */
function ask(prompt: Reply, take: (response: string) => Answer | Promise<Answer>): Answer {
  return {
    ...prompt,
    next: "line",
    take: (line) => {
      const response = line.toString("latin1");
      return response === "*" ? replies.authCancelled : take(response);
    },
  };
}

async function settle(connection: Connection, credentials: Result<PlainCredentials>): Promise<Answer> {
  if (!credentials.ok) return replies.authSyntax;
  const { clock, log, peers, session, client, id } = connection;
  const { user, password } = credentials.value;
  const began = clock.monotonic();
  const answer = await peers
    .login({ protocol: "smtp", user, password, address: client.address })
    .catch((thrown: unknown) => Trouble.from("log in", thrown));
  if (answer instanceof Trouble) {
    log.event("smtp_auth", { session: id, user, ip: client.address, result: "away", reason: answer.message });
    return replies.authAway;
  }
  if (answer.kind === "denied") return refuse(connection, user, began);
  session.account = accountOf(answer.account, answer.addresses);
  log.event("smtp_auth", { session: id, user: answer.account, ip: client.address, result: "ok" });
  return replies.authenticated;
}

function accountOf(name: string, addresses: readonly string[]): Account {
  return { name, addresses: new Set(addresses.map((address) => address.toLowerCase())) };
}

/** Not before `failureDelay`, counted from the question, so that time says nothing about why. */
async function refuse(connection: Connection, user: string, began: number): Promise<Answer> {
  const { clock, log, id, client } = connection;
  log.event("smtp_auth", { session: id, user, ip: client.address, result: "denied" });
  const left = began + limits.login.failureDelay - clock.monotonic();
  if (left > 0) await pause(clock, left);
  connection.failedLogins++;
  return connection.failedLogins >= limits.login.attemptsPerConnection
    ? closing(replies.tooManyLogins)
    : replies.authFailed;
}
