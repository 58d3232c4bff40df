// gate: where people's programs connect to read mail. It ends TLS and hears passwords, but owns no mail: after login a reader
// takes over, and gate only copies bytes.

import type { Socket } from "node:net";
import { createSecureContext, type SecureContext } from "node:tls";
import { type Clock, pause } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { messageOf } from "#base/problem.ts";
import type { SliceOf } from "#config/slice.ts";
import type { Conn } from "#sys/conn.ts";
import { type Listening, listen } from "#sys/listen.ts";
import { dial } from "#sys/local.ts";
import { Caller } from "#talk/caller.ts";
import { formatHandover } from "#talk/handover.ts";
import { type LoginAnswer, login } from "#talk/login.ts";
import type { RoleContext, Running } from "../boot.ts";
import { imapDoor } from "./imap.ts";
import { pop3Door } from "./pop3.ts";
import type { Door, DoorEnd } from "./state.ts";

type Slice = SliceOf<"gate">;
type Listener = Slice["listeners"][number];
type Welcome = Extract<LoginAnswer, { kind: "welcome" }>;

const protocols = { imap: imapDoor, pop3: pop3Door };

class Gate {
  readonly #context: RoleContext<"gate">;
  readonly #auth: Caller;
  readonly #start = Date.now().toString(36);
  #slice: Slice;
  #tls: SecureContext;
  #count = 0;

  constructor(context: RoleContext<"gate">) {
    this.#context = context;
    this.#slice = context.slice;
    this.#tls = contextOf(context.slice);
    this.#auth = new Caller({ path: context.socketOf("auth"), clock: context.clock });
  }

  take(slice: Slice): void {
    // a certificate that cannot be used throws here, and the old one stays
    this.#tls = contextOf(slice);
    this.#slice = slice;
  }

  listen(listener: Listener): Promise<Listening> {
    const { log } = this.#context;
    const refusal =
      listener.protocol === "imap"
        ? "* BYE Too many connections; try again later\r\n"
        : "-ERR [SYS/TEMP] Too many connections; try again later\r\n";
    return listen({
      fd: this.#context.listener(listener.name),
      connections: this.#slice.connections,
      connectionsPerAddress: this.#slice.connectionsPerAddress,
      refusal: listener.implicitTls ? "" : refusal,
      serve: (conn) => this.#serve(conn, listener),
      refused: (ip) => log.event("gate_refused", { ip }),
    });
  }

  close(): void {
    this.#auth.close();
  }

  async #serve(conn: Conn, { protocol, implicitTls }: Listener): Promise<void> {
    const { log, index } = this.#context;
    const session = `g${this.#start}${index === 0 ? "" : `.${index}`}-${(++this.#count).toString(36)}`;
    const { address: ip, port } = conn;
    log.event("gate_connect", { session, ip, port, protocol });
    let reason: string;
    try {
      if (implicitTls) await conn.secure(this.#tls);
      const copying = Promise.withResolvers<string>();
      const door = this.#door(conn, { session, protocol, copied: copying.resolve });
      const end = await this.#inTime(conn, protocols[protocol](door));
      reason = end.kind === "over" ? end.reason : await copying.promise;
    } catch (thrown) {
      reason = messageOf(thrown);
    }
    log.event("gate_disconnect", { session, ip, reason });
  }

  /** Nobody stays without a login by saying a byte now and then. */
  async #inTime(conn: Conn, ending: Promise<DoorEnd>): Promise<DoorEnd> {
    const timer = this.#context.clock.after(limits.login.connection, () => conn.destroy());
    try {
      return await ending;
    } finally {
      timer.cancel();
    }
  }

  #door(
    conn: Conn,
    {
      session,
      protocol,
      copied,
    }: {
      readonly session: string;
      readonly protocol: Listener["protocol"];
      readonly copied: (reason: string) => void;
    },
  ): Door {
    const { log, clock } = this.#context;
    return {
      stream: conn,
      hostname: this.#slice.hostname,
      session,
      tls: this.#tls,
      login: async (user, password) => {
        const answer = await this.#auth.ask(login, { protocol, user, password, address: conn.address });
        log.event("gate_login", { session, ip: conn.address, user, result: answer.kind });
        return answer;
      },
      slowDown: () => pause(clock, limits.login.failureDelay),
      handOver: async (welcome, tag, rest) => {
        const reader = await this.#reader(welcome, { session, protocol, tag, conn, rest });
        if (!reader) return false;
        void copyBothWays(conn, reader, clock).then(copied);
        return true;
      },
    };
  }

  /** A reader that has taken the session, with its first bytes; undefined when none did. */
  async #reader(
    { ticket, reader }: Welcome,
    {
      session,
      protocol,
      tag,
      conn,
      rest,
    }: { session: string; protocol: Listener["protocol"]; tag: string; conn: Conn; rest: Buffer },
  ): Promise<{ readonly socket: Socket; readonly first: Buffer } | undefined> {
    const socket = await dial(this.#context.socketOf("reader", reader), limits.talk.answer).catch(
      (thrown: unknown) => {
        this.#context.log.event("trouble", { session, text: messageOf(thrown) });
        return undefined;
      },
    );
    if (!socket) return undefined;
    socket.write(
      formatHandover({ protocol, ticket, tag, session, address: conn.address, tls: conn.tls !== undefined }),
    );
    if (rest.length > 0) socket.write(rest);
    const first = await firstBytes(socket);
    if (first) return { socket, first };
    socket.destroy();
    return undefined;
  }
}

const contextOf = ({ tls }: Slice): SecureContext =>
  createSecureContext({ cert: tls.certificate, key: tls.key, minVersion: "TLSv1.2" });

/** The first bytes the reader sends, the socket paused behind them; undefined when it closes instead. */
function firstBytes(socket: Socket): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const finish = (first: Buffer | undefined) => {
      socket.off("data", take).off("close", lost).off("error", lost);
      socket.pause();
      resolve(first);
    };
    const take = (chunk: Buffer) => finish(chunk);
    const lost = () => finish(undefined);
    socket.on("data", take).on("close", lost).on("error", lost);
    socket.setTimeout(limits.talk.answer, lost);
  });
}

/** From now on only bytes; resolves with a reason when both sides are closed. */
function copyBothWays(
  conn: Conn,
  { socket: reader, first }: { readonly socket: Socket; readonly first: Buffer },
  clock: Clock,
): Promise<string> {
  const { socket: client, rest } = conn.surrender();
  reader.setTimeout(0);
  client.write(first);
  if (rest.length > 0) reader.write(rest);
  return new Promise((resolve) => {
    let open = 2;
    let reason = "closed";
    for (const [one, other] of [
      [client, reader],
      [reader, client],
    ] as const) {
      // half a connection may end: who sends commands and closes still gets the answers
      one.pipe(other);
      one.on("error", (error) => {
        reason = error.message;
        other.destroy();
      });
      one.on("close", () => {
        other.destroySoon();
        // a client that does not read would keep its socket and our buffers for ever
        const timer = clock.after(limits.gate.drain, () => other.destroy());
        other.once("close", () => timer.cancel());
        if (--open === 0) resolve(reason);
      });
    }
  });
}

export async function start(context: RoleContext<"gate">): Promise<Running<"gate">> {
  const gate = new Gate(context);
  const listening = await Promise.all(context.slice.listeners.map((listener) => gate.listen(listener)));
  context.log.event("ready");
  return {
    reload: (slice) => gate.take(slice),
    stop: async () => {
      // sessions end with their reader
      for (const each of listening) void each.close();
      gate.close();
    },
  };
}
