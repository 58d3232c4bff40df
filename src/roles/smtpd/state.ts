// State of smtpd by lifetime: a door serves many connections, a connection has one session at a time (TLS begins a new one), a
// session one transaction. Nothing is ever reset: the object that ends is dropped.

import type { Clock } from "#base/clock.ts";
import type { Networks } from "#base/network.ts";
import type { SmtpListener } from "#config/slice.ts";
import type { Logger } from "#log/logger.ts";
import type { Judge } from "#policy/judge.ts";
import type { SessionRecord } from "#policy/replay/record.ts";
import type { Stream } from "#sys/conn.ts";
import type { ServerTls } from "#sys/tls.ts";
import type { Injection } from "#talk/inject.ts";
import type { Login, LoginAnswer } from "#talk/login.ts";
import type { RecipientAnswer } from "#talk/lookup.ts";
import type { Envelope, Recipient } from "#wire/envelope.ts";
import type { Reply } from "#wire/smtp/reply.ts";
import type { Checker } from "./content/checker.ts";
import type { Intake } from "./intake.ts";
import { Witness } from "./witness.ts";

/** Judges one client's session by the rules of policy; see Judge. */
export type SessionJudge = Pick<
  Judge,
  | "early"
  | "hello"
  | "sender"
  | "recipient"
  | "unknown"
  | "message"
  | "relays"
  | "greetDelay"
  | "dataBytes"
  | "verifiedName"
  | "isOurselves"
  | "identity"
  | "record"
>;

/** The other roles, as far as a session needs them; tests bring their own. All reject with Trouble when they are away. */
export interface Peers {
  recipient(address: string): Promise<RecipientAnswer>;
  login(question: Login): Promise<LoginAnswer>;
  begin(session: string, envelope: Envelope): Promise<Injection>;
  /** For a client whose mail is judged; tests may do without. */
  judge?(address: string, listener: string): SessionJudge;
  /** How a stranger's session went, and to whom our users wrote; nobody waits for it. */
  note?(session: SessionRecord): void;
  wrote?(recipients: readonly string[]): void;
}

/** What a listener is, and what is settled for all its connections: its rules from the configuration, and what follows from them.
 * Replaced as a whole by a reload. mx takes mail for us from anybody; submission takes mail for anybody from our users; lan takes mail
 * for anybody from whom it serves; qmtp and qmqp are as mx and lan, by other protocols. */
export interface Door extends Omit<SmtpListener, "tls"> {
  readonly implicitTls: boolean;
  /** lan and qmqp: the only clients there are; undefined: everybody. */
  readonly serves: Networks | undefined;
  /** Who must say first who the client is. */
  readonly proxies: Networks;
  readonly hostname: string;
  readonly tls: ServerTls | undefined;
  readonly greeting: Reply;
  readonly helo: Reply;
  /** Whom somebody who was refused may ask; "" for nobody. */
  readonly contact: string;
  /** Proxies that may say for whom they speak (XCLIENT). */
  readonly xclient: Networks;
  /** Programs that look at messages before they are taken. */
  readonly checkers: readonly Checker[];
  /** ms that a client from outside waits for the greeting. */
  readonly greetDelay: number;
  /** What is refused for its points goes into Rejects (docs/rejects.md). */
  readonly rejects: boolean;
  /** Hosts and ".suffixes" that are not ours and for which mail is taken from anybody (qmail.rcpthosts). */
  readonly relayHosts: ReadonlySet<string>;
  /** Domains of which user%host@domain is user@host. */
  readonly percentHack: ReadonlySet<string>;
  /** The domain of recipients without one. */
  readonly bareHost: string;
}

/** Who is served: the peer, or whom a proxy speaks for. */
export interface Client {
  /** "" when the proxy does not know it. */
  readonly address: string;
  readonly port: number;
  /** The name its address has, when a proxy has said one; "" for none. */
  readonly name: string;
}

export interface Connection {
  readonly id: string;
  readonly stream: Stream;
  readonly door: Door;
  readonly peers: Peers;
  readonly clock: Clock;
  readonly log: Logger;
  client: Client;
  /** Undefined: nobody judges here (submission, lan). */
  judge: SessionJudge | undefined;
  /** Of the client that is judged. */
  witness: Witness | undefined;
  session: Session;
  errors: number;
  /** Commands since the last message that send no mail. */
  junk: number;
  /** Temporary refusals. */
  temporary: number;
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

/** What a sender asks for, beside the transport of his message. */
export type Wishes = Omit<Envelope, "sender" | "recipients" | "submitted" | "rejected">;

/** From MAIL to the end of the message, RSET, or the next EHLO. */
export interface Transaction {
  /** "" is the null sender. */
  readonly sender: string;
  /** As it was declared (RFC 1870 §6); 0: it was not. */
  readonly size: number;
  readonly wishes: Wishes;
  /** By address, in the order they came. */
  readonly recipients: Map<string, Recipient>;
  /** Bytes that they cost so far, those that were named again too. */
  envelope: number;
  /** Questions about recipients whose commands have come but not their turn, by address. */
  readonly lookups: Map<string, Promise<RecipientAnswer>>;
  /** Commands to come that were looked at for that already. */
  ahead: number;
  /** Those of the recipients that are not ours. */
  readonly outside: Set<string>;
  /** The message, when it comes in chunks and the first one is there. */
  intake: Intake | undefined;
  /** A chunk was refused: without it there is no message, whatever comes. */
  spoiled: boolean;
}

/** Drops the transaction; of a message that has begun nothing stays. */
export function endTransaction(session: Session): void {
  session.transaction?.intake?.abort();
  session.transaction = undefined;
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
  const { address, port } = given.stream;
  const counts = { errors: 0, junk: 0, temporary: 0, failedLogins: 0, transactions: 0, messages: 0 };
  const judge = judgeFor(given, address);
  const witness = judge && new Witness(given.clock.monotonic());
  return { ...given, ...counts, client: { address, port, name: "" }, judge, witness, session: newSession() };
}

/** Only strangers are judged: users log in, and a lan or qmqp listener has its own. */
export function judgeFor(
  { door, peers }: Pick<Connection, "door" | "peers">,
  address: string,
): SessionJudge | undefined {
  return door.class === "mx" || door.class === "qmtp" ? peers.judge?.(address, door.name) : undefined;
}

/** What a verb answers: a reply, and what happens next when it is not the next command. */
export interface Answer extends Reply {
  readonly next?: "close" | "starttls" | "body" | "line";
  /** With `next: "line"`: takes the next line in place of a command (AUTH). */
  readonly take?: TakeLine;
}

/** What BDAT answers: so many octets follow, and the reply comes behind them. */
export interface Chunk {
  readonly octets: number;
  /** The message ends with them. */
  readonly last: boolean;
  /** They are thrown away, and this is the reply. */
  readonly refusal: Reply | undefined;
}

export type TakeLine = (line: Buffer) => Answer | Promise<Answer>;

/** The reply, and the connection ends behind it. */
export const closing = (reply: Reply): Answer => ({ ...reply, next: "close" });
