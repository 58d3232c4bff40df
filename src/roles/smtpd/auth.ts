// AUTH (RFC 4954): PLAIN and LOGIN, on submission listeners and under TLS only.

import { limits } from "#base/limits.ts";
import { parseBase64, parsePlain } from "#wire/sasl/plain.ts";
import { type Reply, replies } from "#wire/smtp/reply.ts";
import type { Connection } from "./state.ts";

export async function authenticate(connection: Connection, text: string): Promise<Reply> {
  const { settings, stream, account, session } = connection;
  if (settings.class !== "submission") return replies.unknownCommand;
  if (!stream.tls) return replies.needTls;
  if (account) return replies.authDone;
  if (session?.transaction) return replies.authInMail;
  const [mechanism = "", initial] = text.split(" ");
  switch (mechanism.toUpperCase()) {
    case "PLAIN":
      return plain(connection, initial);
    case "LOGIN":
      return login(connection, initial);
    default:
      return replies.noMechanism;
  }
}

async function plain(connection: Connection, initial: string | undefined): Promise<Reply> {
  const response = initial ?? (await connection.ask(""));
  if (response === undefined) return replies.bye;
  if (response === "*") return replies.cancelled;
  const parsed = parsePlain(response);
  return parsed.ok ? logIn(connection, parsed.value.user, parsed.value.password) : replies.badAuth;
}

/** LOGIN has no standard; the prompts are those that Outlook waits for. */
async function login(connection: Connection, initial: string | undefined): Promise<Reply> {
  const user = initial ?? (await connection.ask("VXNlcm5hbWU6"));
  if (user === undefined) return replies.bye;
  if (user === "*") return replies.cancelled;
  const password = await connection.ask("UGFzc3dvcmQ6");
  if (password === undefined) return replies.bye;
  if (password === "*") return replies.cancelled;
  const [name, secret] = [parseBase64(user)?.toString("utf8"), parseBase64(password)?.toString("utf8")];
  if (!name || !secret || name.length > limits.login.userBytes || secret.length > limits.login.passwordBytes)
    return replies.badAuth;
  return logIn(connection, name, secret);
}

async function logIn(connection: Connection, user: string, password: string): Promise<Reply> {
  const answer = await connection.others
    .login(user, password, connection.stream.address)
    .catch(() => undefined);
  if (!answer) return replies.authAway;
  if (answer.kind === "welcome") {
    connection.account = answer;
    return replies.loggedIn;
  }
  await connection.others.slowDown();
  return ++connection.failedLogins >= limits.login.attemptsPerConnection
    ? { ...replies.denied, next: "close" }
    : replies.denied;
}
