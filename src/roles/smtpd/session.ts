// The session: one loop reads lines, asks the table of verbs, writes, counts and logs. Nothing else writes to the client.

import { limits } from "#base/limits.ts";
import { Trouble } from "#base/problem.ts";
import { type Line, LineReader } from "#wire/lines.ts";
import { parseCommand } from "#wire/smtp/command.ts";
import { badLine, chunkTaken, replies } from "#wire/smtp/replies.ts";
import { type Reply, refusalWire } from "#wire/smtp/reply.ts";
import { attend } from "./attend.ts";
import { lookAhead } from "./commands/rcpt.ts";
import { Intake } from "./intake.ts";
import { readBy, timeoutOrThrow } from "./pace.ts";
import { receive, receiveChunk, type Source } from "./receive.ts";
import {
  type Answer,
  type Chunk,
  type Connection,
  closing,
  endTransaction,
  newSession,
  type Session,
  type TakeLine,
  type Transaction,
} from "./state.ts";
import { verbs } from "./verbs.ts";

/** Replies gathered for pipelined commands leave at the latest when they are so many. */
const GATHERED = 16 * 1024;

/** A line that is no command, but whose sender may believe that octets follow it: they would be read as commands. */
const LIKE_BDAT = /^bdat\b/i;

/** How a connection ended, for the log. */
type Reason = "quit" | "gone" | "timeout" | "refused" | "tls" | "shutdown" | "broken";

export class SmtpSession {
  readonly #connection: Connection;
  readonly #sessionEnd: number;
  #lines: LineReader;
  /** Replies that have not been sent. */
  #out = "";
  /** Takes the next line in place of a command. */
  #take: TakeLine | undefined;
  /** What is being done, for the log: never an argument of AUTH. */
  #command = "";
  /** By when the next command must be whole; a byte now and then does not move it. */
  #commandEnd = 0;
  #idle = false;
  #stopping = false;
  /** Commands so far. */
  #burst = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#lines = newLines(connection);
    this.#sessionEnd = connection.clock.monotonic() + connection.door.sessionTime;
  }

  /** Serves the connection until it ends. Rejects only for our own bugs. */
  run(): Promise<void> {
    return attend(this.#connection, () => this.#serve());
  }

  /** Tells the client to come back later: at once when we wait for a command, else after what is under way. */
  stop(): void {
    this.#stopping = true;
    if (!this.#idle) return;
    const { stream } = this.#connection;
    // the connection ends here; a client that does not read this is told by the close
    stream.write(this.#wire(replies.shutdown))?.catch(() => {});
    stream.end();
  }

  async #serve(): Promise<Reason> {
    const { door } = this.#connection;
    if (door.implicitTls && !(await this.#secure())) return "tls";
    const gone = await this.#holdGreeting();
    if (gone) return gone;
    this.#out = door.greeting.wire;
    this.#rearm();
    for (;;) {
      const line = this.#lines.next();
      const ended = line === undefined ? await this.#more() : await this.#turn(line);
      if (ended) return ended;
      // commands that need no other role are answered without leaving this turn of the event loop, as many as came
      if (line === undefined || ++this.#burst % limits.smtp.burst > 0) continue;
      await others();
      // hundreds of commands may have come that nobody waits for any more
      if (this.#connection.stream.broken) return "broken";
    }
  }

  /** Lets a client from outside wait for the greeting: who speaks meanwhile speaks too early. */
  async #holdGreeting(): Promise<Reason | undefined> {
    const { door, judge, stream, clock } = this.#connection;
    if (!judge || door.implicitTls) return undefined;
    const began = clock.monotonic();
    const found = judge.greetDelay(door.greetDelay);
    const delay = typeof found === "number" ? found : await found;
    if (delay === 0) return undefined;
    // what has come while it was found out has come too early, too
    const read = stream.read(Math.max(1, delay - (clock.monotonic() - began)));
    const early = await (read instanceof Promise ? read.catch(timeoutOrThrow) : read);
    if (early === undefined) return "gone";
    if (early === "timeout") return undefined;
    judge.early("bytes before the greeting");
    this.#lines.push(early);
    return undefined;
  }

  /** One line and its answer. No promise unless the answer is one. */
  #turn(line: Line): Promise<Reason | undefined> | undefined {
    const answer = this.#answer(line);
    if (answer instanceof Promise) return answer.then((settled) => this.#reply(settled));
    return this.#reply(answer);
  }

  #reply(given: Answer | Chunk): Promise<Reason | undefined> | undefined {
    if ("octets" in given) return this.#chunk(given);
    const answer = this.#judge(given);
    this.#out += this.#wire(answer);
    this.#rearm();
    if (answer.next !== undefined) return this.#proceed(answer);
    if (this.#out.length < GATHERED) return undefined;
    return this.#flush()?.then(() => undefined);
  }

  #wire(reply: Reply): string {
    const { id, door } = this.#connection;
    return reply.code < 400 ? reply.wire : refusalWire(reply, id, door.contact);
  }

  /** Sends what is gathered and waits for bytes; how the connection ended if it has. */
  async #more(): Promise<Reason | undefined> {
    if (this.#lines.excess > limits.smtp.endlessLine)
      return this.#close(this.#judge(replies.endlessLine), "refused");
    if (this.#stopping) return this.#close(replies.shutdown, "shutdown");
    const sending = this.#flush();
    if (sending !== undefined) await sending;
    this.#idle = true;
    const read = this.#read(this.#commandEnd);
    const chunk = read instanceof Promise ? await read : read;
    this.#idle = false;
    if (chunk === "timeout") return this.#close(replies.timeout, "timeout");
    if (chunk === undefined) return this.#stopping ? "shutdown" : "gone";
    this.#lines.push(chunk);
    return undefined;
  }

  #answer(line: Line): Answer | Chunk | Promise<Answer> {
    const take = this.#take;
    this.#take = undefined;
    if (line.flaw) {
      this.#command = "";
      if (LIKE_BDAT.test(line.start.toString("latin1"))) return closing(replies.lostChunk);
      return take && line.flaw === "long" ? replies.authLineLong : badLine(line.flaw);
    }
    const answer = take ? take(line.bytes) : this.#run(line.bytes);
    return answer instanceof Promise ? answer.catch((thrown: unknown) => this.#trouble(thrown)) : answer;
  }

  #run(bytes: Buffer): Answer | Chunk | Promise<Answer> {
    const { verb, rest } = parseCommand(bytes);
    const run = verbs.get(verb);
    this.#command = verb === "AUTH" || !run ? verb : `${verb} ${rest}`;
    if (run) {
      const answer = run(this.#connection, rest);
      // behind its own question
      if (verb === "RCPT") lookAhead(this.#connection, this.#lines.ahead());
      // RFC 2920 §3.1: what we offer is known only behind the answer
      if (verb === "EHLO" && this.#lines.pending > 0) this.#connection.judge?.early("commands behind EHLO");
      return answer;
    }
    return LIKE_BDAT.test(bytes.toString("latin1", 0, 8)) ? closing(replies.lostChunk) : replies.unknown;
  }

  /** A command failed because of the world: always temporary. */
  #trouble(thrown: unknown): Answer {
    if (!(thrown instanceof Trouble)) throw thrown;
    this.#connection.log.event("trouble", { session: this.#connection.id, reason: thrown.message });
    return replies.lookupAway;
  }

  /** Counts and logs what was refused; too many errors end the connection. */
  #judge(answer: Answer): Answer {
    if (answer.code < 400) return answer;
    const connection = this.#connection;
    connection.log.event("smtp_reject", {
      session: connection.id,
      ip: connection.client.address,
      code: answer.code,
      command: this.#command.slice(0, 300),
      text: answer.text,
    });
    const tooMany =
      answer.code < 500
        ? ++connection.temporary >= limits.smtp.temporary
        : ++connection.errors >= connection.door.errors;
    return tooMany && answer.next !== "close" ? closing(replies.tooManyErrors) : answer;
  }

  async #proceed(answer: Answer): Promise<Reason | undefined> {
    switch (answer.next) {
      case "close":
        await this.#flush();
        return answer.code === replies.closing.code ? "quit" : "refused";
      case "line":
        this.#take = answer.take;
        return undefined;
      case "starttls":
        return this.#startTls();
      case "body":
        await this.#flush();
        return this.#body();
      default:
        return undefined;
    }
  }

  // ---- TLS ----

  async #startTls(): Promise<Reason | undefined> {
    // RFC 3207 §4.2, and what comes in clear behind STARTTLS may come from somebody in between
    if (this.#lines.pending > 0) {
      this.#out = this.#out.slice(0, -replies.startTls.wire.length);
      return this.#close(this.#judge(replies.smuggledBehindTls), "refused");
    }
    await this.#flush();
    if (!(await this.#secure())) return "tls";
    endTransaction(this.#connection.session);
    this.#connection.session = newSession();
    this.#lines = newLines(this.#connection);
    this.#rearm();
    return undefined;
  }

  async #secure(): Promise<boolean> {
    const { stream, door, log, id } = this.#connection;
    if (!door.tls) return false;
    try {
      await stream.secure(door.tls);
    } catch (thrown) {
      if (!(thrown instanceof Trouble)) throw thrown;
      log.event("smtp_tls", { session: id, ip: stream.address, result: thrown.message });
      return false;
    }
    log.event("smtp_tls", { session: id, version: stream.tls?.version, cipher: stream.tls?.cipher });
    return true;
  }

  // ---- DATA and BDAT ----

  /** Receives the body and answers it; how the connection ended if it has. */
  async #body(): Promise<Reason | undefined> {
    const { session } = this.#connection;
    const { transaction } = session;
    if (!transaction) return undefined;
    const intake = new Intake(this.#connection, transaction);
    // whatever ends the transaction takes back what has begun
    transaction.intake = intake;
    const ended = this.#received(await receive(intake, this.#lines.rest(), this.#source));
    if (ended) return ended;
    return this.#finish(session, intake);
  }

  /** Receives a chunk and answers it; how the connection ended if it has. */
  async #chunk({ octets, last, refusal }: Chunk): Promise<Reason | undefined> {
    const { session } = this.#connection;
    const { transaction } = session;
    const intake = refusal || !transaction ? undefined : this.#chunkIntake(transaction);
    const ended = this.#received(await receiveChunk(intake, octets, this.#lines.rest(), this.#source));
    if (ended) return ended;
    if (last && intake) {
      intake.endChunks();
      return this.#finish(session, intake);
    }
    const why = refusal ?? intake?.refusal;
    if (why && transaction) transaction.spoiled = true;
    // RFC 3030 §2: after its last chunk a message is over, also one that was refused; the next may have been sent already
    if (last) endTransaction(session);
    return this.#reply(why ?? chunkTaken(octets));
  }

  #chunkIntake(transaction: Transaction): Intake {
    transaction.intake ??= new Intake(this.#connection, transaction);
    return transaction.intake;
  }

  /** What is behind a body or chunk are commands again. */
  #received(rest: Buffer | "timeout" | undefined): Reason | undefined {
    if (rest === "timeout") return this.#close(replies.timeout, "timeout");
    if (rest === undefined) return "gone";
    this.#lines.push(rest);
    return undefined;
  }

  async #finish(session: Session, intake: Intake): Promise<Reason | undefined> {
    const reply = await intake.finish();
    endTransaction(session);
    return this.#reply(reply);
  }

  // ---- the stream ----

  #rearm(): void {
    const { clock, door } = this.#connection;
    this.#commandEnd = clock.monotonic() + door.commandTimeout;
  }

  /** Where bodies and chunks come from. The client hears what was answered before we wait for more. */
  get #source(): Source {
    const read = (end: number) => {
      const sending = this.#flush();
      return sending === undefined ? this.#read(end) : sending.then(() => this.#read(end));
    };
    const { clock, door } = this.#connection;
    return { clock, read, patience: door.bodyTimeout };
  }

  /** The next bytes, by `end` on the monotonic clock or the end of the connection's time. */
  #read(end: number): ReturnType<Source["read"]> {
    return readBy(this.#connection, Math.min(end, this.#sessionEnd));
  }

  #flush(): Promise<void> | undefined {
    if (this.#out === "") return undefined;
    const out = this.#out;
    this.#out = "";
    return this.#connection.stream.write(out);
  }

  #close(reply: Reply, reason: Reason): Reason {
    this.#out += this.#wire(reply);
    // nobody is waited for any more
    this.#flush()?.catch(() => {});
    return reason;
  }
}

/** Lets other connections have their turn. */
const others = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** RFC 4954 §4: where logins are taken, lines may be longer. */
function newLines({ door }: Connection): LineReader {
  return new LineReader(
    door.class === "submission" ? Math.max(limits.smtp.authLine, door.commandLine) : door.commandLine,
  );
}
