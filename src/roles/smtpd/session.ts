// One SMTP connection: reads commands, runs them from the table, and is the only place that writes, counts and logs.

import { limits } from "#base/limits.ts";
import { codeOf } from "#base/problem.ts";
import type { Logger } from "#log/logger.ts";
import type { Stream } from "#sys/conn.ts";
import { LineReader } from "#wire/lines.ts";
import { formatReply, type Reply, replies } from "#wire/smtp/reply.ts";
import { takeBody } from "./body.ts";
import type { Connection, Others, Settings } from "./state.ts";
import { unmet, verbs } from "./verbs.ts";

export interface SessionOptions {
  readonly id: string;
  readonly stream: Stream;
  readonly others: Others;
  readonly settings: Settings;
  readonly log: Logger;
  /** The role is stopping: idle sessions are told and closed. */
  readonly stopping: () => boolean;
}

export class SmtpSession {
  readonly #connection: Connection;
  readonly #log: Logger;
  readonly #lines = new LineReader(limits.smtp.commandLine);
  readonly #stopping: () => boolean;
  /** Replies of pipelined commands, written together. */
  #out = "";

  constructor({ id, stream, others, settings, log, stopping }: SessionOptions) {
    this.#log = log;
    this.#stopping = stopping;
    this.#connection = {
      id,
      stream,
      others,
      settings,
      session: undefined,
      account: undefined,
      errors: 0,
      failedLogins: 0,
      messages: 0,
      ask: (challenge) => this.#ask(challenge),
    };
  }

  /** Serves until the end; the reason for the log. Trouble when the connection breaks. */
  async serve(): Promise<string> {
    const { stream, settings } = this.#connection;
    await stream.write(formatReply(replies.greeting(settings.hostname)));
    try {
      return await this.#loop();
    } catch (thrown) {
      if (codeOf(thrown) !== "timeout") throw thrown;
      await stream.write(formatReply(replies.timeout(settings.hostname)));
      return "timeout";
    }
  }

  get messages(): number {
    return this.#connection.messages;
  }

  async #loop(): Promise<string> {
    const end = this.#connection.others.now() + limits.smtp.sessionTime;
    for (;;) {
      const line = this.#lines.next();
      if (!line) {
        const over = await this.#wait(end);
        if (over) return over;
        continue;
      }
      const flawed = line.flaw && (line.flaw === "long" ? replies.longLine : replies.badLine);
      const text = line.bytes.toString("latin1");
      const answered = flawed ?? this.#command(text);
      const ended = await this.#after(text, answered instanceof Promise ? await answered : answered);
      if (ended) return ended;
    }
  }

  /** Everything read has been answered: out with the replies, and on to what the client says next. */
  async #wait(end: number): Promise<string | undefined> {
    const { stream, settings, others } = this.#connection;
    await this.#flush();
    if (this.#stopping() || others.now() > end) {
      await stream.write(formatReply(replies.stopping(settings.hostname)));
      return "stopping";
    }
    const chunk = await stream.read(limits.smtp.commandTimeout);
    if (!chunk) return "closed by the client";
    this.#lines.push(chunk);
    return undefined;
  }

  #command(text: string): Reply | Promise<Reply> {
    const space = text.indexOf(" ");
    const name = (space < 0 ? text : text.slice(0, space)).toUpperCase();
    const verb = Object.hasOwn(verbs, name) ? verbs[name] : undefined;
    if (!verb) return replies.unknownCommand;
    for (const need of verb.needs) {
      const problem = unmet[need](this.#connection);
      if (problem) return problem;
    }
    return verb.run(this.#connection, space < 0 ? "" : text.slice(space + 1));
  }

  /** Writes the reply and does what stands behind it; the reason when the connection is over. */
  async #after(command: string, reply: Reply): Promise<string | undefined> {
    this.#say(command, reply);
    if (reply.code >= 500 && ++this.#connection.errors >= limits.smtp.errors) {
      this.#say("", replies.tooManyErrors);
      await this.#flush();
      return "too many errors";
    }
    switch (reply.next) {
      case undefined:
        return undefined;
      case "close":
        await this.#flush();
        return reply.code === 221 ? "quit" : "closed by us";
      case "tls":
        return this.#startTls();
      case "body":
        return this.#body();
    }
  }

  async #startTls(): Promise<string | undefined> {
    const { stream, settings } = this.#connection;
    // what was sent behind STARTTLS in clear could come from anybody (RFC 3207 §4.2)
    const injected = this.#lines.rest().length > 0;
    await this.#flush();
    if (injected || !settings.tls) return "bytes behind STARTTLS";
    await stream.secure(settings.tls);
    this.#connection.session = undefined;
    this.#log.event("smtp_tls", {
      session: this.#connection.id,
      version: stream.tls?.version,
      cipher: stream.tls?.cipher,
    });
    return undefined;
  }

  async #body(): Promise<string | undefined> {
    const connection = this.#connection;
    const transaction = connection.session?.transaction;
    await this.#flush();
    const end = await takeBody(connection, this.#lines.rest());
    if (connection.session) connection.session.transaction = undefined;
    if (!end) return "closed during the body";
    const { reply, rest, id, size } = end;
    // behind a body with stray CR or LF nothing is read: it may have been meant as another message
    if (reply.next !== "close") this.#lines.push(rest);
    if (reply.code === 250) {
      connection.messages++;
      const { sender = "", recipients = [] } = transaction ?? {};
      this.#log.event("smtp_accept", {
        session: connection.id,
        id,
        sender: `<${sender}>`,
        recipients: recipients.length,
        size,
      });
    }
    return this.#after("DATA", reply);
  }

  #say(command: string, reply: Reply): void {
    this.#out += formatReply(reply);
    if (reply.code < 400) return;
    // a password never stands in a log
    const shown = /^AUTH/i.test(command) ? "AUTH" : command.slice(0, 200);
    this.#log.event("smtp_reject", {
      session: this.#connection.id,
      code: reply.code,
      command: shown,
      text: reply.lines[0],
    });
  }

  async #flush(): Promise<void> {
    if (this.#out === "") return;
    const out = this.#out;
    this.#out = "";
    await this.#connection.stream.write(out);
  }

  /** A challenge and its response (RFC 4954 §4). */
  async #ask(challenge: string): Promise<string | undefined> {
    this.#out += `334 ${challenge}\r\n`;
    this.#lines.limit = limits.smtp.authLine;
    try {
      for (;;) {
        const line = this.#lines.next();
        if (line) return line.flaw ? "!" : line.bytes.toString("latin1");
        await this.#flush();
        const chunk = await this.#connection.stream.read(limits.smtp.commandTimeout);
        if (!chunk) return undefined;
        this.#lines.push(chunk);
      }
    } finally {
      this.#lines.limit = limits.smtp.commandLine;
    }
  }
}
