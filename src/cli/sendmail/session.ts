// sendmail -bs: SMTP on standard input and output, for programs that speak it to a child instead of a port. Whoever speaks is the user
// who runs us, so lines may end with LF, and addresses need no domain.

import { limits } from "#base/limits.ts";
import { DotReader } from "#wire/dots.ts";
import { LineReader } from "#wire/lines.ts";
import { ToWire } from "#wire/message/unix.ts";
import { parseCommand } from "#wire/smtp/command.ts";
import { parseEnvid, parseNotify, parseRet } from "#wire/smtp/dsnparams.ts";
import { type Params, parseBody, parseParams, parseSize } from "#wire/smtp/params.ts";
import { parsePath } from "#wire/smtp/path.ts";
import * as say from "#wire/smtp/replies.ts";
import type { Reply } from "#wire/smtp/reply.ts";
import { prepared, send, senderOf } from "./deliver.ts";
import type { Host } from "./host.ts";
import { Ending, sysexits } from "./sysexits.ts";

const { replies } = say;

type Ret = "full" | "headers";

interface Transaction {
  readonly sender: string;
  readonly ret: Ret | undefined;
  readonly envid: string | undefined;
  readonly recipients: string[];
  notify: ReturnType<typeof parseNotify>;
}

type Verb = (rest: string) => Reply;

/** One session; `write` sends what is given. */
export class SmtpSession {
  readonly #host: Host;
  readonly #write: (text: string) => void;
  readonly #lines = new LineReader(limits.smtp.commandLine);
  readonly #wire = new ToWire();
  #transaction: Transaction | undefined;
  #body: { readonly dots: DotReader; readonly chunks: Buffer[]; size: number } | undefined;
  #over = false;

  readonly #verbs: Readonly<Record<string, Verb>> = {
    HELO: () => this.#hello([]),
    EHLO: () =>
      this.#hello([
        "8BITMIME",
        "SMTPUTF8",
        `SIZE ${this.#host.maxSize}`,
        "DSN",
        "ENHANCEDSTATUSCODES",
        "PIPELINING",
      ]),
    MAIL: (rest) => this.#mail(rest),
    RCPT: (rest) => this.#recipient(rest),
    DATA: (rest) => this.#data(rest),
    RSET: () => this.#reset(replies.reset),
    NOOP: () => replies.ok,
    VRFY: () => replies.cannotVerify,
    QUIT: () => {
      this.#over = true;
      return replies.closing;
    },
  };

  constructor(host: Host, write: (text: string) => void) {
    this.#host = host;
    this.#write = write;
  }

  /** Speaks until QUIT or the end of the input. */
  async run(input: AsyncIterable<Buffer>): Promise<void> {
    this.#write(say.greeting(this.#host.hostname).wire);
    for await (const chunk of input) {
      let rest: Buffer | undefined = this.#wire.feed(chunk);
      while (rest && rest.length > 0 && !this.#over) rest = await this.#feed(rest);
      if (this.#over) return;
    }
  }

  /** What is left when a body or the commands before it have ended. */
  async #feed(chunk: Buffer): Promise<Buffer | undefined> {
    if (this.#body) return this.#feedBody(chunk);
    this.#lines.push(chunk);
    for (let line = this.#lines.next(); line && !this.#over; line = this.#lines.next()) {
      const answer = line.flaw ? say.badLine(line.flaw) : this.#command(line.bytes);
      this.#write(answer.wire);
      if (this.#body) return this.#lines.rest();
    }
    return undefined;
  }

  async #feedBody(chunk: Buffer): Promise<Buffer | undefined> {
    const body = this.#body;
    if (!body) return chunk;
    const end = body.dots.feed(chunk, (text) => {
      body.size += text.length;
      if (body.size <= this.#host.maxSize) body.chunks.push(Buffer.from(text));
      else body.chunks.length = 0;
    });
    if (end < 0) return undefined;
    this.#body = undefined;
    const transaction = this.#transaction;
    this.#transaction = undefined;
    const answer =
      body.size > this.#host.maxSize || !transaction
        ? replies.tooLarge
        : await this.#send(transaction, Buffer.concat(body.chunks));
    this.#write(answer.wire);
    return chunk.subarray(end);
  }

  async #send(transaction: Transaction, message: Buffer): Promise<Reply> {
    try {
      await send(this.#host, prepared(message, this.#host, transaction), transaction);
      return replies.taken;
    } catch (thrown) {
      if (!(thrown instanceof Ending)) throw thrown;
      return say.notQueued(thrown.code === sysexits.temporary ? "later" : "never", thrown.message);
    }
  }

  #command(line: Buffer): Reply {
    const { verb, rest } = parseCommand(line);
    const run = Object.hasOwn(this.#verbs, verb) ? this.#verbs[verb] : undefined;
    return run ? run(rest) : replies.unknown;
  }

  #hello(keywords: readonly string[]): Reply {
    this.#transaction = undefined;
    const { hostname } = this.#host;
    return keywords.length === 0 ? say.helo(hostname) : say.ehlo(hostname, keywords);
  }

  #reset(answer: Reply): Reply {
    this.#transaction = undefined;
    return answer;
  }

  #mail(rest: string): Reply {
    if (this.#transaction) return replies.oneSender;
    const found = this.#path(rest, "FROM:");
    if (!found) return replies.mailSyntax;
    if (!found.path.ok) return say.badSender(found.path.error);
    const params = parseParams(found.path.value.rest);
    if (!params.ok) return say.badParams(params.error);
    const wrong = this.#wrong(params.value);
    if (wrong) return wrong;
    const { mailbox } = found.path.value;
    const [ret, envid] = [params.value.get("RET"), params.value.get("ENVID")];
    this.#transaction = {
      sender: mailbox ? senderOf(mailbox.address, this.#host) : "",
      ret: ret === undefined ? undefined : parseRet(ret),
      envid: envid === undefined ? undefined : parseEnvid(envid),
      recipients: [],
      notify: undefined,
    };
    return replies.senderOk;
  }

  /** What of the parameters of MAIL cannot be done. */
  #wrong(params: Params): Reply | undefined {
    for (const [keyword, value] of params) {
      const answer = this.#wrongParameter(keyword, value);
      if (answer) return answer;
    }
    return undefined;
  }

  #wrongParameter(keyword: string, value: string): Reply | undefined {
    switch (keyword) {
      case "SIZE": {
        const size = parseSize(value);
        if (size === undefined) return replies.badSize;
        return size > this.#host.maxSize ? replies.sizeDeclared : undefined;
      }
      case "BODY": {
        const body = parseBody(value);
        return body === undefined || body === "binarymime" ? replies.badBody : undefined;
      }
      case "RET":
        return parseRet(value) ? undefined : replies.badRet;
      case "ENVID":
        return parseEnvid(value) === undefined ? replies.badEnvid : undefined;
      case "SMTPUTF8":
        return value === "" ? undefined : replies.flagHasValue;
      default:
        return say.unknownParam(keyword);
    }
  }

  #recipient(rest: string): Reply {
    const transaction = this.#transaction;
    if (!transaction) return replies.mailFirst;
    const found = this.#path(rest, "TO:");
    if (!found) return replies.recipientSyntax;
    if (!found.path.ok) return say.badRecipient(found.path.error);
    const { mailbox, rest: given } = found.path.value;
    if (!mailbox) return replies.nullRecipient;
    const params = parseParams(given);
    if (!params.ok) return say.badParams(params.error);
    const more = [...params.value.keys()].find((keyword) => keyword !== "NOTIFY" && keyword !== "ORCPT");
    if (more !== undefined) return say.unknownParam(more);
    const notify = params.value.get("NOTIFY");
    if (notify !== undefined && !parseNotify(notify)) return replies.badNotify;
    if (transaction.recipients.length >= limits.drop.recipients) return replies.tooManyRecipients;
    // one wish for all of them: what a program asks for one, it asks for every one
    if (notify !== undefined) transaction.notify = parseNotify(notify);
    transaction.recipients.push(mailbox.address);
    return replies.recipientOk;
  }

  #data(rest: string): Reply {
    if (rest !== "") return replies.noArgument;
    if (!this.#transaction) return replies.mailFirst;
    if (this.#transaction.recipients.length === 0) return replies.recipientFirst;
    this.#body = { dots: new DotReader(), chunks: [], size: 0 };
    return replies.startMail;
  }

  /** The path behind "FROM:" or "TO:", with our domain if it has none. */
  #path(rest: string, word: string) {
    if (rest.slice(0, word.length).toUpperCase() !== word) return undefined;
    const text = rest.slice(word.length).trimStart();
    const whole = text.replace(/^<([^@<>"\s]+)>/, (_, local: string) => `<${local}@${this.#host.domain}>`);
    return { path: parsePath(whole, { utf8: true }) };
  }
}
