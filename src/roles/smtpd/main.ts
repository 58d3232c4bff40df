// smtpd: receives mail on 25, 587 and 465. It owns nothing: addresses and passwords are auth's, messages are the queue's.

import { createSecureContext, type SecureContext } from "node:tls";
import { pause } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { messageOf } from "#base/problem.ts";
import type { SliceOf } from "#config/slice.ts";
import type { Conn } from "#sys/conn.ts";
import { type Listening, listen } from "#sys/listen.ts";
import { Caller } from "#talk/caller.ts";
import { Injector } from "#talk/inject.ts";
import { login } from "#talk/login.ts";
import { recipient } from "#talk/lookup.ts";
import { formatReply, reply } from "#wire/smtp/reply.ts";
import type { RoleContext, Running } from "../boot.ts";
import { SmtpSession } from "./session.ts";
import type { Others } from "./state.ts";

type Slice = SliceOf<"smtpd">;
type Listener = Slice["listeners"][number];

class Smtpd {
  readonly #context: RoleContext<"smtpd">;
  readonly #auth: Caller;
  readonly #injector: Injector;
  readonly #others: Others;
  readonly #start = Date.now().toString(36);
  #slice: Slice;
  #tls: SecureContext;
  #count = 0;
  stopping = false;

  constructor(context: RoleContext<"smtpd">) {
    const { clock, log } = context;
    this.#context = context;
    this.#slice = context.slice;
    this.#tls = contextOf(context.slice);
    this.#auth = new Caller({ path: context.socketOf("auth"), clock });
    this.#injector = new Injector(context.socketOf("queue"), clock);
    this.#others = {
      recipient: (address) => this.#auth.ask(recipient, { address }),
      login: async (user, password, address) => {
        const answer = await this.#auth.ask(login, { protocol: "smtp", user, password, address });
        log.event("smtp_auth", { user, ip: address, result: answer.kind });
        return answer;
      },
      inject: (session, envelope) => this.#injector.begin(session, envelope),
      slowDown: () => pause(clock, limits.login.failureDelay),
      now: () => clock.now(),
    };
  }

  take(slice: Slice): void {
    // a certificate that cannot be used throws here, and the old one stays
    this.#tls = contextOf(slice);
    this.#slice = slice;
  }

  listen(listener: Listener): Promise<Listening> {
    const busy = reply(421, `4.3.2 ${this.#slice.hostname} Too many connections; try again later`);
    return listen({
      fd: this.#context.listener(listener.name),
      connections: this.#slice.connections,
      connectionsPerAddress: this.#slice.connectionsPerAddress,
      refusal: listener.implicitTls ? "" : formatReply(busy),
      serve: (conn) => this.#serve(conn, listener),
      refused: (ip) => this.#context.log.event("smtp_refused", { ip }),
    });
  }

  close(): void {
    this.#auth.close();
    this.#injector.close();
  }

  async #serve(conn: Conn, listener: Listener): Promise<void> {
    const { log, clock, index } = this.#context;
    const id = `s${this.#start}${index === 0 ? "" : `.${index}`}-${(++this.#count).toString(36)}`;
    const started = clock.monotonic();
    log.event("smtp_connect", { session: id, ip: conn.address, port: conn.port, listener: listener.name });
    const { hostname, maxSize, maxRecipients } = this.#slice;
    const session = new SmtpSession({
      id,
      stream: conn,
      others: this.#others,
      settings: { hostname, class: listener.class, maxSize, maxRecipients, tls: this.#tls },
      log,
      stopping: () => this.stopping,
    });
    let reason: string;
    try {
      if (listener.implicitTls) await conn.secure(this.#tls);
      reason = await session.serve();
    } catch (thrown) {
      reason = messageOf(thrown);
    }
    log.event("smtp_disconnect", {
      session: id,
      reason,
      messages: session.messages,
      ms: Math.round(clock.monotonic() - started),
    });
  }
}

const contextOf = ({ tls }: Slice): SecureContext =>
  createSecureContext({ cert: tls.certificate, key: tls.key, minVersion: "TLSv1.2" });

export async function start(context: RoleContext<"smtpd">): Promise<Running<"smtpd">> {
  const smtpd = new Smtpd(context);
  const listening = await Promise.all(context.slice.listeners.map((listener) => smtpd.listen(listener)));
  context.log.event("ready");
  return {
    reload: (slice) => smtpd.take(slice),
    stop: async () => {
      smtpd.stopping = true;
      // bodies under way may end; idle sessions are closed with the process
      const busy = Promise.all(listening.map((each) => each.close()));
      await Promise.race([busy, pause(context.clock, 2000)]);
      smtpd.close();
    },
  };
}
