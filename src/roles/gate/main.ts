// gate: where people's programs connect to read mail. It ends TLS and hears passwords, but owns no mail: after login a reader
// takes over, and gate only copies bytes.

import type { Socket } from "node:net";
import { type Clock, pause } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { Networks } from "#base/network.ts";
import { messageOf, Trouble } from "#base/problem.ts";
import type { SliceOf } from "#config/slice.ts";
import { Admission, type Refusal } from "#sys/admission.ts";
import type { Conn } from "#sys/conn.ts";
import { connectionsFor } from "#sys/files.ts";
import { type Listening, listen } from "#sys/listen.ts";
import { dial } from "#sys/local.ts";
import { ServerTls } from "#sys/tls.ts";
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

/** A listener with what follows from its rules. */
type Place = Listener & { readonly proxies: Networks };

/** What a reload replaces. */
interface State {
  readonly hostname: string;
  readonly tls: ServerTls | undefined;
  readonly listeners: ReadonlyMap<string, Place>;
  readonly connections: number;
  readonly exempt: Networks;
}

/** Throws when a certificate cannot be used. */
const stateOf = ({ hostname, certificates, listeners, connections, exempt }: Slice): State => ({
  hostname,
  tls: certificates.length === 0 ? undefined : new ServerTls(certificates),
  listeners: new Map(listeners.map((each) => [each.name, { ...each, proxies: new Networks(each.proxy) }])),
  connections: connectionsFor(connections),
  exempt: new Networks(exempt),
});

/** Before TLS there is no word that the client would understand. */
function wordFor({ tls, protocol }: Listener, why: Refusal): string {
  if (tls === "implicit") return "";
  const whose = why === "connections" || why === "listener" ? "" : " from you";
  const text = `Too many connections${whose}; try again later\r\n`;
  return protocol === "imap" ? `* BYE ${text}` : `-ERR [SYS/TEMP] ${text}`;
}

class Gate {
  readonly #context: RoleContext<"gate">;
  readonly #auth: Caller;
  readonly #start = Date.now().toString(36);
  readonly #admission: Admission;
  #state: State;
  #count = 0;

  constructor(context: RoleContext<"gate">) {
    this.#context = context;
    this.#state = stateOf(context.slice);
    this.#admission = new Admission(context.clock, () => this.#state);
    this.#auth = new Caller({ path: context.socketOf("auth"), clock: context.clock });
  }

  take(slice: Slice): void {
    // a certificate that cannot be used throws here, and the old one stays
    const { listeners } = this.#state;
    const state = stateOf(slice);
    this.#state = { ...state, listeners: new Map([...listeners, ...state.listeners]) };
  }

  async listen({ name, sockets }: Listener): Promise<readonly Listening[]> {
    const { log, clock, listener } = this.#context;
    const current = () => this.#state.listeners.get(name) as Place;
    const entrance = this.#admission.entrance(() => current().bounds);
    return await Promise.all(
      sockets.map((socket) =>
        listen({
          fd: listener(socket),
          clock,
          entrance,
          proxies: () => current().proxies,
          serves: () => true,
          word: (why) => wordFor(current(), why),
          serve: (conn) => this.#serve(conn, current()),
          refused: (ip, reason) => log.event("gate_refused", { ip, listener: name, reason }),
        }),
      ),
    );
  }

  close(): void {
    this.#auth.close();
  }

  async #serve(conn: Conn, { protocol, tls }: Place): Promise<void> {
    const { log, index } = this.#context;
    const session = `g${this.#start}${index === 0 ? "" : `.${index}`}-${(++this.#count).toString(36)}`;
    const { address: ip, port } = conn;
    log.event("gate_connect", { session, ip, port, protocol });
    let reason: string;
    try {
      const keys = tls === "none" ? undefined : this.#state.tls;
      if (tls === "implicit") await secure(conn, keys);
      const copying = Promise.withResolvers<string>();
      const door = this.#door(conn, { session, protocol, keys, copied: copying.resolve });
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
      keys,
      copied,
    }: {
      readonly session: string;
      readonly protocol: Listener["protocol"];
      readonly keys: ServerTls | undefined;
      readonly copied: (reason: string) => void;
    },
  ): Door {
    const { log, clock } = this.#context;
    return {
      stream: conn,
      hostname: this.#state.hostname,
      session,
      tls: keys,
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

function secure(conn: Conn, keys: ServerTls | undefined): Promise<void> {
  if (!keys) throw new Trouble("start TLS", "There is no certificate");
  return conn.secure(keys);
}

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
  const listening = (await Promise.all(context.slice.listeners.map((each) => gate.listen(each)))).flat();
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
