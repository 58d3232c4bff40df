// reader: the only role that opens mailboxes for people. gate hands it connections with tickets; auth says whose they are.

import type { Socket } from "node:net";
import { messageOf } from "#base/problem.ts";
import { fileHost } from "#store/maildir/deliver.ts";
import { Tree } from "#store/maildir/tree.ts";
import { Conn } from "#sys/conn.ts";
import { realDisk } from "#sys/disk.ts";
import { answer } from "#sys/local.ts";
import { Caller } from "#talk/caller.ts";
import { FateTeller } from "#talk/fates.ts";
import { type Received, readHandover } from "#talk/handover.ts";
import { redeem } from "#talk/login.ts";
import type { RoleContext, Running } from "../boot.ts";
import { ImapSession } from "./imap/session.ts";
import type { Session } from "./imap/state.ts";
import { newKnown } from "./known.ts";
import { Output } from "./output.ts";
import { servePop3 } from "./pop3/session.ts";

/** One account's folders, shared by its sessions and forgotten with the last one. */
interface Shared {
  readonly tree: Tree;
  users: number;
}

class Reader {
  readonly #context: RoleContext<"reader">;
  readonly #auth: Caller;
  readonly #shared = new Map<string, Shared>();
  readonly #conns = new Set<Conn>();
  readonly #known = newKnown();
  readonly #fates: FateTeller;
  /** As a part of file names. */
  host: string;

  constructor(context: RoleContext<"reader">) {
    this.host = fileHost(context.slice.hostname);
    this.#context = context;
    this.#auth = new Caller({ path: context.socketOf("auth"), clock: context.clock });
    this.#fates = new FateTeller({
      path: context.socketOf("ledger"),
      clock: context.clock,
      trouble: (text) => context.log.event("trouble", { text }),
    });
  }

  /** Serves one connection from gate; closing it without a byte means that it could not. */
  async take(socket: Socket): Promise<void> {
    const { log } = this.#context;
    const received = await readHandover(socket);
    if (!received.ok) {
      log.event("peer_garbage", { text: received.error });
      return void socket.destroy();
    }
    const { ticket, session } = received.value.handover;
    const redeemed = await this.#auth.ask(redeem, { ticket }).catch((thrown: unknown) => {
      log.event("trouble", { session, text: messageOf(thrown) });
      return undefined;
    });
    if (redeemed?.kind !== "redeemed") return void socket.destroy();
    await this.#serve(socket, received.value, redeemed);
  }

  async #serve(
    socket: Socket,
    { handover, rest }: Received,
    { account, maildir }: { readonly account: string; readonly maildir: string },
  ): Promise<void> {
    const { log, clock } = this.#context;
    const { session, protocol } = handover;
    const started = clock.monotonic();
    const conn = new Conn(socket, clock);
    conn.unread(rest);
    socket.resume();
    const shared = this.#share(maildir);
    this.#conns.add(conn);
    log.event("reader_session", { session, account, protocol });
    let reason: string;
    try {
      reason = await this.#speak(conn, shared.tree, handover);
    } catch (thrown) {
      reason = messageOf(thrown);
    } finally {
      this.#conns.delete(conn);
      this.#release(maildir, shared);
      conn.end();
    }
    log.event("reader_end", { session, account, reason, ms: Math.round(clock.monotonic() - started) });
  }

  async #speak(conn: Conn, tree: Tree, handover: Received["handover"]): Promise<string> {
    const { log, clock } = this.#context;
    const inbox = await tree.open("INBOX");
    if (handover.protocol === "pop3") return inbox ? servePop3(conn, inbox) : "no INBOX";
    const out = new Output(conn);
    const session: Session = {
      stream: {
        read: async (ms) => {
          await out.flush();
          return conn.read(ms);
        },
        destroy: () => conn.destroy(),
      },
      out,
      tree,
      disk: realDisk,
      clock,
      host: this.host,
      known: this.#known,
      fates: this.#fates,
      view: undefined,
      lastPlace: undefined,
      say: (line) => out.say(`${line}\r\n`),
    };
    try {
      const trouble = (text: string) => log.event("trouble", { session: handover.session, text });
      return await new ImapSession(session, trouble).serve(handover.tag);
    } finally {
      await out.flush();
    }
  }

  #share(maildir: string): Shared {
    const shared = this.#shared.get(maildir) ?? {
      tree: new Tree(realDisk, maildir, () => this.#context.clock.now()),
      users: 0,
    };
    shared.users++;
    this.#shared.set(maildir, shared);
    return shared;
  }

  #release(maildir: string, shared: Shared): void {
    if (--shared.users === 0) this.#shared.delete(maildir);
  }

  /** Nothing is lost by closing: what a client was told is on disk. */
  async close(): Promise<void> {
    for (const conn of this.#conns) conn.end();
    this.#auth.close();
    await this.#fates.close();
  }
}

export async function start(context: RoleContext<"reader">): Promise<Running<"reader">> {
  const reader = new Reader(context);
  const answering = await answer(context.answers("gate"), (socket) => {
    // a client that ends its side behind its commands still gets the answers
    socket.allowHalfOpen = true;
    socket.on("error", () => {
      // gate went away; the session ends with the connection
    });
    void reader.take(socket);
  });
  context.log.event("ready");
  return {
    reload: (slice) => {
      reader.host = fileHost(slice.hostname);
    },
    stop: async () => {
      answering.close();
      await reader.close();
    },
  };
}
