// One message on its way from the client to the queue: its header is looked through, then it streams on, never whole in memory.

import { within } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { Trouble } from "#base/problem.ts";
import type { MessageFacts } from "#policy/facts.ts";
import { INJECT_DEADLINE, type Injection, type InjectResult } from "#talk/inject.ts";
import { ChunkReader } from "#wire/chunks.ts";
import { findFlaw } from "#wire/dots.ts";
import { formatField } from "#wire/message/field.ts";
import { Nesting } from "#wire/message/nesting.ts";
import { formatReceived } from "#wire/message/received.ts";
import { formatDate } from "#wire/message/rfcdate.ts";
import { badBody, notQueued, queued, replies } from "#wire/smtp/replies.ts";
import type { Reply } from "#wire/smtp/reply.ts";
import type { Panel } from "./content/panel.ts";
import { panelFor } from "./content/subject.ts";
import { type Gathered, HeaderGatherer } from "./gatherer.ts";
import { eightBitOf, type HeaderScan, headerEnd, scanHeader, withoutSecrets } from "./header.ts";
import { refusedBy } from "./judged.ts";
import type { Connection, Door, Transaction } from "./state.ts";

/** Bytes of body that are gathered before they are handed on; a message up to this leaves in one piece. */
const GATHER = 32 * 1024;

/** Small pieces (dots, slow clients) are put together when there are so many. */
const PIECES = 64;

const EMPTY = Buffer.alloc(0);

/** What is not SMTP in a Received field. */
const protocols: Readonly<Partial<Record<Door["class"], string>>> = { qmtp: "QMTP", qmqp: "QMQP" };
const CRLF = Buffer.from("\r\n");

interface Header {
  readonly bytes: Buffer;
  readonly scan: HeaderScan;
}

/** Of a message that is judged. */
interface Seen {
  readonly nesting: Nesting;
  /** When the header is complete. */
  facts: Omit<MessageFacts, "depth"> | undefined;
}

export class Intake {
  readonly #connection: Connection;
  readonly #transaction: Transaction;
  /** The header section while it is incomplete. */
  #gatherer: HeaderGatherer | undefined = new HeaderGatherer();
  /** The header when it is complete, until it has been handed on. */
  #header: Header | undefined;
  /** What the rules see of the message; where nobody judges it is not looked at. */
  readonly #seen: Seen | undefined;
  #pieces: Buffer[] = [];
  /** In front of them: those that were put together. */
  #joined: Buffer[] = [];
  #pending = 0;
  #size = 0;
  #injection: Injection | undefined;
  /** The header with our own fields, until it has been handed on. */
  #front: readonly Buffer[] = [];
  /** Programs that look at the message too. */
  #panel: Panel | undefined;
  /** Why the message will be refused; what still arrives is thrown away. */
  #refusal: Reply | undefined;
  /** Why it will be refused, perhaps by mistake. */
  #doubt: Reply | undefined;
  #id: string | undefined;

  readonly #chunks: ChunkReader;
  /** Bytes that it may have. */
  readonly #most: number;
  readonly #take = (text: Buffer): void => this.take(text);

  constructor(connection: Connection, transaction: Transaction) {
    this.#connection = connection;
    this.#transaction = transaction;
    this.#chunks = new ChunkReader(transaction.wishes.body === "binarymime");
    const { door, judge } = connection;
    this.#most = Math.min(door.maxSize, judge?.dataBytes ?? door.maxSize);
    const { mimeDepth: depth, contentType } = limits.policy;
    this.#seen = connection.judge && { nesting: new Nesting({ depth, contentType }), facts: undefined };
  }

  /** Whether enough is gathered for `pour`. A large header does not wait here for a body that may never come. */
  get full(): boolean {
    return this.#pending + (this.#header?.bytes.length ?? 0) >= GATHER;
  }

  /** What the queue knows the message by, when it has it. */
  get id(): string | undefined {
    return this.#id;
  }

  /** Why the message will be refused, when that is known already. */
  get refusal(): Reply | undefined {
    return this.#refusal;
  }

  /** Decides the answer; the first reason stays. */
  refuse(reply: Reply): void {
    if (this.#refusal) return;
    this.#refusal = reply;
    this.#panel?.abort();
    this.#injection?.abort();
    this.#injection = undefined;
    this.#gatherer = undefined;
    this.#header = undefined;
    this.#pieces = [];
    this.#joined = [];
    this.#pending = 0;
  }

  /** Takes text without transport dots; a view, kept until it is poured. */
  take(text: Buffer): void {
    if (this.#refusal) return;
    this.#size += text.length;
    if (this.#size > this.#most) return this.refuse(replies.tooLarge);
    if (this.#gatherer) this.#takeHead(this.#gatherer, text);
    else this.#gather(text);
  }

  /** Takes octets of BDAT; a view, kept until it is poured. */
  takeChunk(octets: Buffer): void {
    this.#chunks.feed(octets, this.#take);
    if (this.#chunks.flaw) this.refuse(badBody(this.#chunks.flaw));
  }

  /** The last chunk has come. */
  endChunks(): void {
    this.#chunks.end(this.#take);
    if (this.#chunks.flaw) this.refuse(badBody(this.#chunks.flaw));
  }

  /** Hands what is gathered to the queue, as fast as it takes it. Never rejects: trouble becomes the refusal. */
  async pour(): Promise<void> {
    if (this.#refusal || this.#gatherer) return;
    try {
      const injection = this.#injection ?? (await this.#begin());
      if (injection.refused) return this.refuse(refusalOf(injection.refused));
      const front = this.#front;
      this.#front = [];
      const body = this.#takePieces();
      let room = true;
      for (const piece of together([...front, ...body])) room = injection.write(piece);
      // the slowest of those who take the message sets the pace
      const examined = this.#panel?.write(body);
      if (!room) await this.#within(injection.drained());
      if (examined !== undefined) await examined;
      const refusal = this.#panel?.refusalSoFar();
      if (refusal) this.refuse(refusal);
    } catch (thrown) {
      this.#trouble(thrown);
    }
  }

  /** The body has ended: the answer to it. */
  async finish(): Promise<Reply> {
    // a message without a blank line is all header
    if (this.#gatherer) this.#endHead({ bytes: this.#gatherer.everything(), rest: EMPTY });
    // before the last of it goes: of a small message the queue then hears in one write, and of one that is refused nothing
    await this.#judge();
    await this.pour();
    const fields = await this.#examined();
    const injection = this.#injection;
    if (this.#refusal || !injection) return this.#refusal ?? replies.queueAway;
    if (this.#doubt) return this.#reject(injection, this.#doubt, fields);
    // from here on it is the queue's to keep or to drop
    this.#injection = undefined;
    try {
      const result = await this.#within(injection.commit(fields));
      if (result.kind === "refused") return refusalOf(result);
      this.#accepted(result.id);
      return queued(result.id);
    } catch (thrown) {
      this.#trouble(thrown);
      return replies.queueAway;
    }
  }

  /** The client has gone in the middle: nothing of the message stays. */
  abort(): void {
    this.refuse(replies.timeout);
  }

  #gather(text: Buffer): void {
    this.#seen?.nesting.feed(text);
    this.#pieces.push(text);
    this.#pending += text.length;
    if (this.#pieces.length < PIECES) return;
    // not with all there is: that would copy everything again and again for a body of dots
    this.#joined.push(Buffer.concat(this.#pieces));
    this.#pieces = [];
    if (this.#joined.length >= PIECES) this.#joined = [Buffer.concat(this.#joined)];
  }

  #takePieces(): readonly Buffer[] {
    const pieces = [...this.#joined, ...this.#pieces];
    this.#pieces = [];
    this.#joined = [];
    this.#pending = 0;
    return pieces;
  }

  // ---- header ----

  #takeHead(gatherer: HeaderGatherer, text: Buffer): void {
    const header = gatherer.take(text);
    if (header) this.#endHead(header);
    else if (gatherer.size > this.#connection.door.headerBytes) this.refuse(replies.headerTooLarge);
  }

  #endHead({ bytes, rest }: Gathered): void {
    const { headerBytes, headerFields, hops } = this.#connection.door;
    if (bytes.length > headerBytes) return this.refuse(replies.headerTooLarge);
    // a binary message has a header of text all the same (RFC 3030 §3); nobody has looked at it yet
    const flaw = this.#transaction.wishes.body === "binarymime" && findFlaw(bytes.toString("latin1"));
    if (flaw) return this.refuse(badBody(flaw));
    const scan = scanHeader(bytes);
    if (scan.fields > headerFields) return this.refuse(replies.tooManyFields);
    if (scan.hops >= hops) return this.refuse(replies.tooManyHops);
    this.#header = { bytes, scan };
    this.#see(bytes, scan);
    this.#gatherer = undefined;
    if (rest.length > 0) this.#gather(rest);
  }

  // ---- rules ----

  #see(bytes: Buffer, { from, hasDate }: HeaderScan): void {
    if (!this.#seen) return;
    const utf8 = this.#transaction.wishes.utf8 === true;
    this.#seen.facts = { from, hasDate, utf8, eightBit: eightBitOf(bytes) };
    this.#seen.nesting.feed(bytes);
  }

  /** What the rules say of the whole message. Never rejects. */
  async #judge(): Promise<void> {
    const { judge } = this.#connection;
    const seen = this.#seen;
    if (this.#refusal || !judge || !seen?.facts) return;
    const facts = { ...seen.facts, depth: seen.nesting.depth };
    try {
      const decision = await judge.message(facts, [...this.#transaction.recipients.keys()]);
      if (!decision) return;
      this.#connection.witness?.refused(decision, "");
      this.#refuse(refusedBy(this.#connection, decision), decision.plausible);
    } catch (thrown) {
      this.#trouble(thrown);
    }
  }

  /** Fields that those who look at the message add. Never rejects. */
  async #examined(): Promise<string> {
    if (this.#refusal || !this.#panel) return "";
    const { refusal, fields, plausible } = await this.#panel.finish();
    const reason = this.#doubt ?? refusal;
    if (reason) this.#refuse(reason, plausible);
    return fields;
  }

  /** `plausible`: the message is kept, where that is wanted; of mail of our own users it is not, they know what they sent. */
  #refuse(reply: Reply, plausible: boolean): void {
    const { door, judge } = this.#connection;
    if (plausible && door.rejects && judge && this.#transaction.outside.size === 0) this.#doubt = reply;
    else this.refuse(reply);
  }

  /** Leaves a message that is refused to its recipients' Rejects folders; whether that succeeds is nothing to the client. */
  async #reject(injection: Injection, reply: Reply, fields: string): Promise<Reply> {
    this.#injection = undefined;
    const why = formatField("X-Kenro-Refused", reply.wire.trim());
    const front = why.length + fields.length > limits.queue.front ? why : why + fields;
    try {
      await this.#within(injection.reject(front));
    } catch (thrown) {
      this.#trouble(thrown);
    }
    return reply;
  }

  // ---- queue ----

  /** Begins the injection and puts the header, with our own fields, in front of what is gathered. */
  async #begin(): Promise<Injection> {
    const { id, peers } = this.#connection;
    const { sender, recipients, wishes } = this.#transaction;
    const injection = await peers.begin(id, {
      sender,
      recipients: [...recipients.values()],
      ...wishes,
      submitted: this.#submitted,
    });
    this.#injection = injection;
    const header = this.#header ? this.#headerOf(this.#header, injection.id) : [];
    this.#header = undefined;
    this.#front = [Buffer.from(this.#received(injection.id)), ...header];
    this.#panel = await panelFor(this.#connection, this.#transaction, injection.id, header);
    return injection;
  }

  /** The header section as it goes on. */
  #headerOf({ bytes, scan }: Header, id: string): readonly Buffer[] {
    const { door, clock } = this.#connection;
    // a text without any field is all body: without a blank line its first line would be taken for a field
    const blank = scan.fields === 0 && headerEnd(bytes, 0) !== CRLF.length ? [CRLF] : [];
    if (door.class !== "submission" && door.class !== "lan") return [...blank, bytes];
    const date = scan.hasDate ? "" : `Date: ${formatDate(clock.now())}\r\n`;
    const messageId = scan.hasMessageId ? "" : `Message-ID: <${id}@${door.hostname}>\r\n`;
    return [Buffer.from(date + messageId), ...blank, ...withoutSecrets(bytes, scan.secret)];
  }

  #received(id: string): string {
    const { stream, client, door, session, clock } = this.#connection;
    const { recipients, wishes } = this.#transaction;
    const [only] = recipients.keys();
    return formatReceived({
      hello: session.hello?.name ?? "",
      name: client.name,
      address: client.address,
      hostname: door.hostname,
      extended: session.hello?.extended === true,
      utf8: wishes.utf8 === true,
      tls: stream.tls,
      authenticated: session.account !== undefined,
      id,
      recipient: recipients.size === 1 ? only : undefined,
      protocol: protocols[door.class],
      time: clock.now(),
    });
  }

  /** One of ours sends it. */
  get #submitted(): boolean {
    const { session, door } = this.#connection;
    return session.account !== undefined || door.class === "lan" || door.class === "qmqp";
  }

  #accepted(id: string): void {
    this.#id = id;
    const connection = this.#connection;
    const { sender, recipients, outside } = this.#transaction;
    connection.witness?.message(id);
    // whoever our users write to may write to them
    if (outside.size > 0 && this.#submitted) connection.peers.wrote?.([...outside]);
    connection.messages++;
    connection.junk = 0;
    connection.log.event("smtp_accept", {
      session: connection.id,
      id,
      sender: `<${sender}>`,
      recipients: [...recipients.keys()].join(","),
      size: this.#size,
      user: connection.session.account?.name,
    });
  }

  #trouble(thrown: unknown): void {
    const trouble = Trouble.from("queue a message", thrown);
    this.#connection.log.event("trouble", { session: this.#connection.id, reason: trouble.message });
    this.refuse(replies.queueAway);
  }

  /** The queue may be slow, but not without end. */
  #within<T>(promise: Promise<T>): Promise<T> {
    return within(this.#connection.clock, INJECT_DEADLINE, promise, () => {
      throw Trouble.timeout("queue a message", INJECT_DEADLINE);
    });
  }
}

/** One frame for all but the largest: to copy so few bytes costs less than a frame. */
function together(pieces: readonly Buffer[]): readonly Buffer[] {
  const size = pieces.reduce((sum, { length }) => sum + length, 0);
  return pieces.length > 1 && size < 2 * GATHER ? [Buffer.concat(pieces)] : pieces;
}

function refusalOf(result: InjectResult): Reply {
  return result.kind === "refused" ? notQueued(result.reason, result.text) : replies.queueAway;
}
