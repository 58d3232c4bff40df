// Transaction: one message for some recipients over a connection that is ready (RFC 5321 §3.3), pipelined when the server takes it
// (RFC 2920). Whatever happens, every recipient gets an outcome.

import { limits } from "#base/limits.ts";
import { messageOf, Trouble } from "#base/problem.ts";
import type { Outcome, Status } from "#wire/envelope.ts";
import { Stuffer } from "#wire/message/stuff.ts";
import { type Answer, answerText } from "#wire/smtp/answer.ts";
import {
  type Addressee,
  addressedTo,
  type Fitted,
  fitBody,
  type Letter,
  mailLine,
  rcptLine,
  readable,
  tooLarge,
  Unreadable,
  unfit,
} from "./letter.ts";
import { isPositive, nameOf, type Peer } from "./peer.ts";

export interface Done {
  readonly outcomes: ReadonlyMap<number, Outcome>;
  /** Those whom the server takes only in another transaction (RFC 9422 §3.2: RCPTMAX). */
  readonly rest: readonly Addressee[];
  /** The connection can take another transaction. */
  readonly usable: boolean;
  /** The server had gone before it answered anything: nothing has happened, another connection may be tried. */
  readonly untouched: boolean;
}

/** Wait for what a server said before it closed, ms. */
const LAST_WORD = 1000;

export function transact(peer: Peer, letter: Letter, addressees: readonly Addressee[]): Promise<Done> {
  return new Transaction(peer, letter, addressees).run();
}

class Transaction {
  readonly #peer: Peer;
  readonly #letter: Letter;
  readonly #outcomes = new Map<number, Outcome>();
  #left: readonly Addressee[];
  readonly #rest: readonly Addressee[];
  #answers = 0;
  #dotSent = false;
  #ended = false;

  constructor(peer: Peer, letter: Letter, addressees: readonly Addressee[]) {
    this.#peer = peer;
    this.#letter = letter;
    const most = peer.most("RCPTMAX");
    this.#left = addressees.slice(0, most);
    this.#rest = addressees.slice(most);
  }

  async run(): Promise<Done> {
    try {
      this.#sift();
      const fitted = await this.#fit();
      if (fitted) await this.#peer.within(() => this.#steps(fitted));
      // nothing was said: the connection is as it was
      else this.#ended = true;
    } catch (thrown) {
      this.#peer.destroy();
      this.#settleAll({ kind: "deferred", why: this.#whyBroken(thrown) });
    }
    const untouched = this.#answers === 0 || (this.#answers === 1 && this.#peer.farewell !== undefined);
    const usable = this.#ended && this.#peer.quiet;
    return { outcomes: this.#outcomes, rest: this.#rest, usable, untouched: untouched && !usable };
  }

  /** What the server's EHLO rules out. */
  #sift(): void {
    const why = unfit(this.#letter, this.#peer);
    if (why) return this.#settleAll({ kind: "failed", why });
    // RFC 6531 §3.2: such an address must not be sent to a server that does not know them
    const text = `${nameOf(this.#peer.target)} takes no addresses with other than ASCII letters`;
    this.#left = this.#left.flatMap((each) => {
      const known = addressedTo(each, this.#peer);
      if (!known) this.#outcomes.set(each.index, { kind: "failed", why: { code: "5.6.7", text } });
      return known ?? [];
    });
  }

  /** The body as the server takes it; undefined when it does not, or nobody is left. */
  async #fit(): Promise<Fitted | undefined> {
    if (this.#left.length === 0) return undefined;
    const fitted = await fitBody(this.#letter, this.#peer);
    const why = "code" in fitted ? fitted : tooLarge(fitted.body, this.#peer);
    if (why) this.#settleAll({ kind: "failed", why });
    return why || "code" in fitted ? undefined : fitted;
  }

  async #steps(fitted: Fitted): Promise<void> {
    const peer = this.#peer;
    const { command, dataStart } = peer.waits;
    const pipelined = peer.offers("PIPELINING");
    const binary = fitted.kind === "BINARYMIME";
    const lines = [
      mailLine(this.#letter, fitted, this.#left, peer),
      ...this.#left.map((each) => rcptLine(each, peer)),
      // a binary body waits until somebody wants it
      ...(binary ? [] : ["DATA\r\n"]),
    ];
    // RFC 2920 §3.1: DATA last; a group of at most limits.remote.recipients fits into any socket's buffer
    if (pipelined) await peer.write(lines.join(""));
    const ask = (line: number, ms: number) => this.#answer(pipelined ? "" : (lines[line] ?? ""), ms);

    const mail = await ask(0, command);
    const refused = isPositive(mail) ? undefined : this.#verdict(mail, "MAIL");
    if (refused && !pipelined) return this.#giveUp(refused);
    const asked = this.#left;
    for (const [at, addressee] of asked.entries()) {
      const answer = await ask(at + 1, command);
      if (refused || isPositive(answer)) continue;
      this.#settle(addressee, this.#verdict(answer, "RCPT"));
    }
    if (binary) return this.#binary(fitted, refused);
    if (this.#left.length === 0 && !pipelined) return this.#reset();
    const data = await ask(lines.length - 1, dataStart);
    if (refused) this.#settleAll(refused);
    const wanted = this.#left.length > 0;
    if (data.code !== 354) {
      this.#settleAll(this.#verdict(data, "DATA"));
      return this.#reset();
    }
    // RFC 2920 §3.1: DATA was taken though nobody is to get it: an empty message ends it
    await this.#conclude(() => (wanted ? this.#body(fitted) : peer.write(".\r\n")));
  }

  /** RFC 3030 §2: the octets as they are, counted: nothing in them can end the message. */
  async #binary({ body }: Fitted, refused: Outcome | undefined): Promise<void> {
    if (refused) this.#settleAll(refused);
    if (this.#left.length === 0) return this.#reset();
    await this.#conclude(async () => {
      await this.#peer.write(`BDAT ${body.size} LAST\r\n`);
      let sent = 0;
      for await (const chunk of readable(body.chunks())) {
        sent += chunk.length;
        this.#dotSent = sent >= body.size;
        await this.#peer.write(chunk);
      }
      if (sent !== body.size) throw new Unreadable("The body has another size than it had");
    });
  }

  /** Sends the body; its answer is for all. In LMTP there is one for each recipient that was taken, in their order (RFC 2033 §4.2). */
  async #conclude(send: () => Promise<void>): Promise<void> {
    const outcomeOf = (said: Answer) =>
      isPositive(said) ? this.#delivered(said) : this.#verdict(said, "the message");
    const end = await this.#finish(send);
    const [first, ...others] = this.#left;
    // said before it had all: it is about the message
    if (this.#peer.target.manner.protocol === "smtp" || !this.#ended || !first)
      return this.#settleAll(outcomeOf(end));
    this.#ended = false;
    this.#settle(first, outcomeOf(end));
    for (const each of others)
      this.#settle(each, outcomeOf(await this.#answer("", this.#peer.waits.dataEnd)));
    this.#ended = true;
  }

  /** Sends the body, or none, and its end; what the server says to it. */
  async #finish(send: () => Promise<void>): Promise<Answer> {
    try {
      await send();
    } catch (thrown) {
      if (!(thrown instanceof Trouble)) throw thrown;
      // some servers say no and close before they have read it all
      const early = await this.#peer.answer(LAST_WORD).catch(() => undefined);
      if (!early || early.code < 400) throw thrown;
      return early;
    }
    const end = await this.#answer("", this.#peer.waits.dataEnd);
    this.#ended = true;
    return end;
  }

  async #body({ body }: Fitted): Promise<void> {
    const stuffer = new Stuffer();
    if (body.whole) {
      const sent = Buffer.concat([stuffer.feed(body.whole), stuffer.end()]);
      this.#dotSent = true;
      return this.#peer.write(sent);
    }
    for await (const chunk of readable(body.chunks())) {
      const sent = stuffer.feed(chunk);
      if (sent.length > 0) await this.#peer.write(sent);
    }
    this.#dotSent = true;
    await this.#peer.write(stuffer.end());
  }

  async #answer(line: string, ms: number): Promise<Answer> {
    const answer = line === "" ? await this.#peer.answer(ms) : await this.#peer.ask(line, ms);
    this.#answers++;
    return answer;
  }

  async #giveUp(outcome: Outcome): Promise<void> {
    this.#settleAll(outcome);
    await this.#reset();
  }

  /** The server may remember a sender: that ends before the next transaction. */
  async #reset(): Promise<void> {
    if (this.#peer.farewell) return;
    this.#ended = isPositive(await this.#peer.ask("RSET\r\n", this.#peer.waits.command));
  }

  #settle(addressee: Addressee, outcome: Outcome): void {
    this.#outcomes.set(addressee.index, outcome);
    this.#left = this.#left.filter((each) => each !== addressee);
  }

  #settleAll(outcome: Outcome): void {
    for (const { index } of this.#left) this.#outcomes.set(index, outcome);
    this.#left = [];
  }

  #delivered(end: Answer): Outcome {
    const by = this.#said("took it", end);
    return { kind: "delivered", by, handedOn: this.#peer.offers("DSN") || undefined };
  }

  /** What an answer that is not positive means: 5xx is final, all else is not. */
  #verdict(answer: Answer, to: string): Outcome {
    const final = answer.code >= 500;
    const code = answer.enhanced?.startsWith(final ? "5" : "4")
      ? answer.enhanced
      : final
        ? "5.0.0"
        : answer.code >= 400
          ? "4.0.0"
          : "4.5.0";
    return { kind: final ? "failed" : "deferred", why: { code, text: this.#said(`answered ${to}`, answer) } };
  }

  #said(did: string, answer: Answer): string {
    return `${nameOf(this.#peer.target)} ${did}: ${answerText(answer, limits.queue.statusText - 400)}`;
  }

  #whyBroken(thrown: unknown): Status {
    if (thrown instanceof Unreadable) return { code: "4.3.0", text: "The message cannot be read now" };
    if (!(thrown instanceof Trouble)) throw thrown;
    const { farewell } = this.#peer;
    const name = nameOf(this.#peer.target);
    const why = farewell ? answerText(farewell, limits.queue.statusText - 600) : messageOf(thrown);
    // RFC 5321 §6.1: it may have the message; the next attempt may bring it twice, giving up would lose it
    const duplicate = this.#dotSent ? "Possible duplicate! " : "";
    return { code: "4.4.2", text: `${duplicate}The connection to ${name} broke: ${why}` };
  }
}
