// An IMAP session after login: reads commands, runs them from the table, writes; the only place that writes tagged answers.

import { limits } from "#base/limits.ts";
import { messageOf, Trouble } from "#base/problem.ts";
import { nextOf } from "#sys/conn.ts";
import { type CommandEvent, CommandReader, type Piece } from "#wire/imap/command.ts";
import { parseArguments, readHead } from "#wire/imap/lexer.ts";
import { Appending, readAppendHead } from "./append.ts";
import { idle } from "./idle.ts";
import { bad, no, type Session, type Tagged } from "./state.ts";
import { capabilities, verbs } from "./verbs.ts";

type Ended = { readonly reason: string };

export class ImapSession {
  readonly #session: Session;
  readonly #reader = new CommandReader();
  readonly #trouble: (text: string) => void;
  #bad = 0;

  /** `trouble` hears of failures that the client is only told of as "try again later". */
  constructor(session: Session, trouble: (text: string) => void) {
    this.#session = session;
    this.#trouble = trouble;
  }

  /** Serves until the session ends; the reason for the log. Trouble when the peer is gone. */
  async serve(loginTag: string): Promise<string> {
    await this.#answer(loginTag, { status: "OK", text: `[CAPABILITY ${capabilities}] Logged in` });
    for (;;) {
      const event = await nextOf(this.#reader, this.#session.stream, limits.imap.idleTimeout);
      if (!event) return "closed by the client";
      const ended = await this.#take(event);
      if (ended) return ended.reason;
    }
  }

  async #take(event: CommandEvent): Promise<Ended | undefined> {
    switch (event.kind) {
      case "command":
        return this.#command(event.pieces);
      case "literal":
        return this.#literal(event);
      case "tooLong":
        await this.#session.say("* BYE The line is too long");
        return { reason: "line too long" };
      case "data":
        // only an APPEND accepts a literal as a stream, and it reads it itself
        return undefined;
    }
  }

  async #command(pieces: readonly Piece[]): Promise<Ended | undefined> {
    const head = readHead(pieces);
    if (!head) return this.#wrong("*", "Begin a command with a tag");
    const verb = Object.hasOwn(verbs, head.verb) ? verbs[head.verb] : undefined;
    if (!verb) return this.#wrong(head.tag, `Unknown command "${head.verb.slice(0, 40)}"`);
    if (verb.needs === "selected" && !this.#session.view)
      return this.#wrong(head.tag, "Select a mailbox first");
    const ready = parseArguments(head.args, (args) => verb.run(this.#session, args));
    if (!ready.ok) return this.#wrong(head.tag, `Cannot read the arguments: ${ready.error}`);
    let result = await this.#run(ready.value);
    if (result.next === "idle" && !(await idle(this.#session, this.#reader))) {
      result = { ...bad("Expected DONE"), next: "close" };
    }
    await this.#tellNews(verb.keepsNumbers !== true);
    await this.#answer(head.tag, result);
    return result.next === "close" ? { reason: "logout" } : undefined;
  }

  /** The world's failure is an answer for this command only. */
  async #run(work: () => Promise<Tagged>): Promise<Tagged> {
    try {
      return await work();
    } catch (thrown) {
      if (!(thrown instanceof Trouble)) throw thrown;
      this.#trouble(messageOf(thrown));
      if (thrown.code === "ENOSPC" || thrown.code === "EDQUOT") return no("[OVERQUOTA] There is no room now");
      return no("[UNAVAILABLE] That cannot be done now; try again later");
    }
  }

  async #tellNews(withExpunges: boolean): Promise<void> {
    const { view } = this.#session;
    if (!view) return;
    if (withExpunges) await view.folder.glance().catch((thrown: unknown) => this.#trouble(messageOf(thrown)));
    if (!view.stale) return;
    for (const line of view.news(withExpunges)) await this.#session.say(line);
  }

  async #literal(event: Extract<CommandEvent, { kind: "literal" }>): Promise<Ended | undefined> {
    const head = readHead(event.pieces);
    const append = head?.verb === "APPEND" ? parseArguments(head.args, readAppendHead) : undefined;
    if (head && append?.ok) {
      const begun = await this.#begin(() => Appending.begin(this.#session, append.value, event.size));
      return begun instanceof Appending
        ? this.#append(head.tag, begun, event)
        : this.#refuse(head.tag, begun, event);
    }
    // all of one command together, or a line full of them would cost a hundred times as much
    if (event.held + event.size > limits.imap.literal)
      return this.#refuse(head?.tag ?? "*", bad("The literal is too long"), event);
    this.#reader.accept("keep");
    if (event.sync) await this.#session.say("+ Go ahead");
    return undefined;
  }

  async #begin(start: () => Promise<Appending | Tagged>): Promise<Appending | Tagged> {
    let appending: Appending | undefined;
    const failed = await this.#run(async () => {
      const begun = await start();
      if (!(begun instanceof Appending)) return begun;
      appending = begun;
      return no("");
    });
    return appending ?? failed;
  }

  async #append(
    tag: string,
    appending: Appending,
    { sync }: { readonly sync: boolean },
  ): Promise<Ended | undefined> {
    this.#reader.accept("stream");
    if (sync) await this.#session.say("+ Go ahead");
    let failure: Tagged | undefined;
    for (;;) {
      const event = await nextOf(this.#reader, this.#session.stream, limits.imap.idleTimeout).catch(lost);
      if (!event) {
        await appending.abort();
        return { reason: "closed during APPEND" };
      }
      if (event.kind !== "data") return this.#finish(tag, appending, { event, failure });
      // after a failure the rest is read and thrown away, because the client sends it anyway
      failure ??= await this.#attempt(() => appending.write(event.chunk));
    }
  }

  async #finish(
    tag: string,
    appending: Appending,
    { event, failure }: { readonly event: CommandEvent; readonly failure: Tagged | undefined },
  ): Promise<Ended | undefined> {
    const clean = event.kind === "command" && event.pieces[event.pieces.length - 1] === "";
    if (!clean || failure) {
      await this.#attempt(() => appending.abort());
      if (event.kind === "literal") return this.#refuse(tag, bad("One message at a time"), event);
      if (!clean) return this.#wrong(tag, "One message at a time");
      await this.#answer(tag, failure ?? no(""));
      return undefined;
    }
    const result = await this.#run(() => appending.commit());
    await this.#tellNews(true);
    await this.#answer(tag, result);
    return undefined;
  }

  /** Undefined when it went well, else what to tell the client. */
  async #attempt(work: () => Promise<void>): Promise<Tagged | undefined> {
    let done = false;
    const failed = await this.#run(async () => {
      await work();
      done = true;
      return no("");
    });
    return done ? undefined : failed;
  }

  async #refuse(
    tag: string,
    reply: Tagged,
    { sync }: { readonly sync: boolean },
  ): Promise<Ended | undefined> {
    // a literal that was not asked for comes all the same (RFC 7888 §4): it is read and thrown away, and its command with it
    if (sync) this.#reader.forget();
    else {
      this.#reader.accept("skip");
      await this.#answer(tag, reply);
      return this.#skipCommand();
    }
    await this.#answer(tag, reply);
    return undefined;
  }

  async #skipCommand(): Promise<Ended | undefined> {
    const event = await nextOf(this.#reader, this.#session.stream, limits.imap.idleTimeout);
    if (!event) return { reason: "closed by the client" };
    return event.kind === "command" ? undefined : { reason: "a refused literal went on" };
  }

  async #wrong(tag: string, text: string): Promise<Ended | undefined> {
    await this.#answer(tag, bad(text));
    if (++this.#bad < limits.imap.badCommands) return undefined;
    await this.#session.say("* BYE Too many wrong commands");
    return { reason: "too many wrong commands" };
  }

  async #answer(tag: string, { status, text }: Tagged): Promise<void> {
    await this.#session.say(`${tag} ${status} ${text}`);
  }
}

/** The peer is gone in the middle of a literal; the reason does not matter. */
const lost = (): undefined => undefined;
