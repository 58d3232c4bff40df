// XCLIENT: a proxy that the site trusts says for whom it speaks. What it says holds until it says otherwise; the session begins anew, but
// for what was said just now (Postfix's XCLIENT_README).

import { err, ok, type Result } from "#base/result.ts";
import { foldAddress } from "#wire/smtp/path.ts";
import { badParams } from "#wire/smtp/replies.ts";
import type { Reply } from "#wire/smtp/reply.ts";
import { type Claims, parseXclient } from "#wire/smtp/xclient.ts";
import { type Answer, type Connection, judgeFor, newSession } from "../state.ts";
import { tell, Witness } from "../witness.ts";

export function claims(rest: string): Result<Claims, Reply> {
  const found = parseXclient(rest);
  return found.ok ? ok(found.value) : err(badParams(found.error));
}

export function speakFor(connection: Connection, said: Claims): Answer {
  const { door, log, id, clock } = connection;
  const before = connection.client;
  tell(connection);
  connection.client = {
    address: said.address ?? before.address,
    port: said.port === undefined ? before.port : Number(said.port),
    name: said.name ?? before.name,
  };
  connection.judge = judgeFor(connection, connection.client.address);
  connection.witness = connection.judge && new Witness(clock.monotonic());
  const session = newSession();
  // PROTO and HELO come first or together; EHLO is usually said once more
  if (said.hello) connection.judge?.hello(said.hello);
  if (said.hello) session.hello = { name: said.hello, extended: said.protocol === "ESMTP" };
  // whom the proxy has let in, we let in
  if (said.login) session.account = { name: said.login, addresses: new Set([foldAddress(said.login)]) };
  connection.session = session;
  const { address: ip, port, name } = connection.client;
  const to = said.toAddress && `${said.toAddress} ${said.toPort ?? ""}`.trim();
  log.event("smtp_xclient", { session: id, ip, port, name, user: said.login, to });
  return door.greeting;
}
