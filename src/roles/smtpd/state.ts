// State of smtpd by lifetime: a door serves many connections, a connection has one session at a time (TLS begins a new one), a
// session one transaction. Nothing is ever reset: the object that ends is dropped.

import type { SecureContext } from "node:tls";
import type { Clock } from "#base/clock.ts";
import type { Logger } from "#log/logger.ts";
import type { Stream } from "#sys/conn.ts";
import type { Injection } from "#talk/inject.ts";
import type { Login, LoginAnswer } from "#talk/login.ts";
import type { RecipientAnswer } from "#talk/lookup.ts";
import type { Envelope } from "#wire/envelope.ts";
import type { Reply } from "#wire/smtp/reply.ts";

/** The other roles, as far as a session needs them; tests bring their own. All reject with Trouble when they are away. */
export interface Peers {
  recipient(address: string): Promise<RecipientAnswer>;
  login(question: Login): Promise<LoginAnswer>;
  begin(session: string, envelope: Envelope): Promise<Injection>;
}

/** What a listener is, and what is settled for all its connections. Replaced as a whole by a reload. */
export interface Door {
  /** The listener's, for the log. */
  readonly name: string;
  /** mx takes mail for us from anybody; submission takes mail for anybody from our users. */
  readonly class: "mx" | "submission";
  readonly implicitTls: boolean;
  readonly hostname: string;
  readonly maxSize: number;
  readonly maxRecipients: number;
  readonly tls: SecureContext | undefined;
  readonly greeting: Reply;
  readonly helo: Reply;
  /** The answer to EHLO, in clear and under TLS. */
  readonly ehlo: { readonly clear: Reply; readonly secure: Reply };
}

export interface Connection {
  readonly id: string;
  readonly stream: Stream;
  readonly door: Door;
  readonly peers: Peers;
  readonly clock: Clock;
  readonly log: Logger;
  session: Session;
  errors: number;
  failedLogins: number;
  transactions: number;
  messages: number;
}

/** From the greeting, or from TLS on: RFC 3207 §4.2 forgets everything that was said in clear. */
export interface Session {
  hello: { readonly name: string; readonly extended: boolean } | undefined;
  account: Account | undefined;
  transaction: Transaction | undefined;
}

export interface Account {
  readonly name: string;
  /** In lower case. */
  readonly addresses: ReadonlySet<string>;
}

/** From MAIL to the end of DATA, RSET, or the next EHLO. */
export interface Transaction {
  /** "" is the null sender. */
  readonly sender: string;
  readonly body: Envelope["body"];
  /** In the order they came, none twice. */
  readonly recipients: Set<string>;
}

export const newSession = (): Session => ({
  hello: undefined,
  account: undefined,
  transaction: undefined,
});

/** A connection at its beginning. */
export function newConnection(
  given: Pick<Connection, "id" | "stream" | "door" | "peers" | "clock" | "log">,
): Connection {
  return { ...given, session: newSession(), errors: 0, failedLogins: 0, transactions: 0, messages: 0 };
}

/** What a verb answers: a reply, and what happens next when it is not the next command. */
export interface Answer extends Reply {
  readonly next?: "close" | "starttls" | "body" | "line";
  /** With `next: "line"`: takes the next line in place of a command (AUTH). */
  readonly take?: TakeLine;
}

export type TakeLine = (line: Buffer) => Answer | Promise<Answer>;

/** The reply, and the connection ends behind it. */
export const closing = (reply: Reply): Answer => ({ ...reply, next: "close" });
