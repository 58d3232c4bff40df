// EHLO and HELO: who the client says it is. RFC 5321 §4.1.1.1: a session begins anew, without its transaction.

import { limits } from "#base/limits.ts";
import { err, ok, type Result } from "#base/result.ts";
import { replies } from "#wire/smtp/replies.ts";
import type { Reply } from "#wire/smtp/reply.ts";
import { offer } from "../extensions.ts";
import { type Answer, type Connection, endTransaction } from "../state.ts";

/** One word of printable ASCII. Whether it is a name that can be believed is a rule of policy, not grammar. */
const NAME = /^[!-~]+$/;

export function hello(rest: string): Result<string, Reply> {
  return NAME.test(rest) && rest.length <= limits.smtp.domain ? ok(rest) : err(replies.badHello);
}

export function greet(connection: Connection, name: string, extended: boolean): Answer {
  const { session, door } = connection;
  endTransaction(session);
  session.hello = { name, extended };
  connection.judge?.hello(name);
  return extended ? offer(connection) : door.helo;
}
