// The body after DATA: it streams to the queue while it arrives; here it is counted, and a submission's header is mended.

import { randomBytes } from "node:crypto";
import { limits } from "#base/limits.ts";
import type { Injection } from "#talk/inject.ts";
import { DotReader } from "#wire/dots.ts";
import { firstValue, headerEnd, parseFields } from "#wire/message/header.ts";
import { formatReceived } from "#wire/message/received.ts";
import { formatDate } from "#wire/message/rfcdate.ts";
import { type Reply, replies } from "#wire/smtp/reply.ts";
import type { Connection, Session, Transaction } from "./state.ts";

export interface BodyEnd {
  readonly reply: Reply;
  /** What came behind the final dot. */
  readonly rest: Buffer;
  readonly id: string;
  readonly size: number;
}

/** Takes the body of the transaction; undefined when the peer ends before it. Trouble when it is silent too long. */
export async function takeBody(connection: Connection, first: Buffer): Promise<BodyEnd | undefined> {
  const { session, stream } = connection;
  const transaction = session?.transaction;
  if (!session || !transaction) return undefined;
  const sink = new Sink(connection, session, transaction);
  await sink.begin();
  const dots = new DotReader();
  let chunk: Buffer | undefined = first;
  const end = connection.others.now() + limits.smtp.sessionTime;
  try {
    for (;;) {
      const over = dots.feed(chunk, (text) => sink.write(text));
      if (over >= 0)
        return {
          reply: await sink.finish(dots.flaw),
          rest: chunk.subarray(over),
          id: sink.id,
          size: sink.size,
        };
      // the queue reads more slowly than the client sends: the client waits
      if (sink.slow) await sink.drained();
      // bytes that drip in do not keep a body open for ever
      const left = end - connection.others.now();
      chunk = await stream.read(Math.max(0, Math.min(limits.smtp.bodyTimeout, left)));
      if (!chunk) return undefined;
    }
  } finally {
    sink.close();
  }
}

class Sink {
  readonly #connection: Connection;
  readonly #session: Session;
  readonly #transaction: Transaction;
  #injection: Injection | undefined;
  #problem: Reply | undefined;
  /** The start of the message, kept until the header is complete. */
  #header: Buffer[] | undefined = [];
  #headerSize = 0;
  /** Its last three bytes, one a character. */
  #tail = "";
  #done = false;
  size = 0;
  slow = false;

  constructor(connection: Connection, session: Session, transaction: Transaction) {
    this.#connection = connection;
    this.#session = session;
    this.#transaction = transaction;
  }

  get id(): string {
    return this.#injection?.id ?? "";
  }

  async begin(): Promise<void> {
    const { others, id, account } = this.#connection;
    const { sender, recipients, body } = this.#transaction;
    const envelope = {
      sender,
      recipients: recipients.map((address) => ({ address })),
      body,
      submitted: account !== undefined,
    };
    // the body is read to its end in any case; the client hears afterwards
    this.#injection = await others.inject(id, envelope).catch(() => undefined);
    if (!this.#injection) this.#problem = replies.later;
  }

  write(text: Buffer): void {
    this.size += text.length;
    if (this.size > this.#connection.settings.maxSize)
      this.#problem ??= replies.tooLarge(this.#connection.settings.maxSize);
    if (this.#problem) return;
    if (!this.#header) return this.#send(text);
    this.#header.push(text);
    this.#headerSize += text.length;
    // looked at as a whole only when its end has come: a header in one-byte pieces must not cost the square of its length
    const window = this.#tail + text.toString("latin1");
    this.#tail = window.slice(-3);
    if (window.includes("\r\n\r\n") || this.#headerSize >= limits.smtp.headerBytes) this.#tryHeader(false);
  }

  /** When the header is complete (or the message has ended, or is too long to wait for), it goes out, with ours in front. */
  #tryHeader(over: boolean): void {
    if (!this.#header) return;
    const start = this.#header.length === 1 ? (this.#header[0] as Buffer) : Buffer.concat(this.#header);
    this.#header = [start];
    const end = headerEnd(start);
    if (
      !over &&
      end === start.length &&
      start.length < limits.smtp.headerBytes &&
      !start.subarray(-4).equals(Buffer.from("\r\n\r\n"))
    )
      return;
    this.#header = undefined;
    const header = start.subarray(0, end);
    const fields = parseFields(header, limits.smtp.headerFields);
    const hops = fields.filter(({ name }) => /^(?:received|delivered-to)$/i.test(name)).length;
    if (hops >= limits.smtp.hops) {
      this.#problem = replies.loop;
      return;
    }
    this.#send(Buffer.from(this.#received()));
    if (this.#connection.account) for (const part of this.#mended(header, fields)) this.#send(part);
    else this.#send(header);
    if (end < start.length) this.#send(start.subarray(end));
  }

  #received(): string {
    const { stream, settings, account, others } = this.#connection;
    const [recipient, ...more] = this.#transaction.recipients;
    return formatReceived({
      helo: this.#session.helo,
      address: stream.address,
      hostname: settings.hostname,
      id: this.id,
      extended: this.#session.extended,
      tls: stream.tls,
      authenticated: account !== undefined,
      recipient: more.length === 0 ? recipient : undefined,
      time: others.now(),
    });
  }

  /** RFC 6409 §8: a submission gets the Date and Message-ID it lacks; and nobody sees whom Bcc named. */
  #mended(header: Buffer, fields: ReturnType<typeof parseFields>): readonly Buffer[] {
    const { settings, others } = this.#connection;
    const parts: Buffer[] = [];
    let at = 0;
    for (const { name, start, end } of fields) {
      if (name.toLowerCase() !== "bcc") continue;
      parts.push(header.subarray(at, start));
      at = end;
    }
    const added: string[] = [];
    if (firstValue(fields, "Date") === undefined) added.push(`Date: ${formatDate(others.now())}\r\n`);
    if (firstValue(fields, "Message-ID") === undefined) {
      added.push(`Message-ID: <${randomBytes(12).toString("hex")}@${settings.hostname}>\r\n`);
    }
    return [Buffer.from(added.join("")), ...parts, header.subarray(at)];
  }

  #send(part: Buffer): void {
    if (part.length === 0 || !this.#injection) return;
    if (!this.#injection.write(part)) this.slow = true;
  }

  async drained(): Promise<void> {
    this.slow = false;
    await this.#injection?.drained();
  }

  async finish(flaw: DotReader["flaw"]): Promise<Reply> {
    if (flaw) this.#problem = replies.smuggling;
    else this.#tryHeader(true);
    if (this.#problem || !this.#injection) return this.#problem ?? replies.later;
    this.#done = true;
    const result = await this.#injection.commit().catch(() => undefined);
    if (result?.kind === "queued") return replies.queued(result.id);
    if (!result || result.reason === "later") return replies.later;
    return result.reason === "full" ? replies.full : replies.never(result.text);
  }

  close(): void {
    if (!this.#done) this.#injection?.abort();
  }
}
