// smtpd: takes mail on 25 from anybody for us, on 587 and 465 from our users for anybody. It owns nothing: auth knows who exists,
// the queue keeps what was accepted.

import { pause } from "#base/clock.ts";
import type { SliceOf } from "#config/slice.ts";
import type { Conn } from "#sys/conn.ts";
import { type Listening, listen } from "#sys/listen.ts";
import { Caller } from "#talk/caller.ts";
import { Injector } from "#talk/inject.ts";
import { login } from "#talk/login.ts";
import { recipient } from "#talk/lookup.ts";
import { tooManyConnections } from "#wire/smtp/replies.ts";
import type { RoleContext, Running, Start } from "../boot.ts";
import { doorsOf, secureContext } from "./door.ts";
import { SmtpSession } from "./session.ts";
import { type Door, newConnection, type Peers } from "./state.ts";

/** How long bodies under way may go on after the role was told to stop; less than boot.ts gives the role. */
const STOP_PATIENCE = 8000;

type Slice = SliceOf<"smtpd">;

export const start: Start<"smtpd"> = async (context) => {
  const smtpd = new Smtpd(context);
  await smtpd.listen();
  context.log.event("ready");
  return smtpd;
};

class Smtpd implements Running<"smtpd"> {
  readonly #context: RoleContext<"smtpd">;
  readonly #sessions = new Map<SmtpSession, Conn>();
  readonly #listening: Listening[] = [];
  readonly #auth: Caller;
  readonly #injector: Injector;
  readonly #peers: Peers;
  /** Makes the ids of sessions of one life differ from those of another. */
  readonly #life: string;
  #count = 0;
  #slice: Slice;
  #doors: ReadonlyMap<string, Door>;

  constructor(context: RoleContext<"smtpd">) {
    this.#context = context;
    this.#slice = context.slice;
    this.#doors = doorsFor(context.slice);
    this.#life = `s${context.clock.now().toString(36)}${context.index === 0 ? "" : `.${context.index}`}`;
    this.#auth = new Caller({ path: context.socketOf("auth"), clock: context.clock });
    this.#injector = new Injector(context.socketOf("queue"), context.clock);
    this.#peers = peersOf(this.#auth, this.#injector);
  }

  async listen(): Promise<void> {
    const current = () => this.#slice;
    for (const { name, implicitTls } of this.#slice.listeners) {
      const listening = await listen({
        fd: this.#context.listener(name),
        // what a reload changes holds from the next connection on
        get connections() {
          return current().connections;
        },
        get connectionsPerAddress() {
          return current().connectionsPerAddress;
        },
        // before TLS there is no word that the client would understand
        refusal: implicitTls ? "" : tooManyConnections(this.#slice.hostname).wire,
        serve: (conn) => this.#serve(name, conn),
        refused: (ip) => this.#context.log.event("smtp_refused", { ip, listener: name }),
      });
      this.#listening.push(listening);
    }
  }

  /** For connections from now on; those that are there keep what they began with. */
  reload(slice: Slice): void {
    const doors = doorsFor(slice);
    for (const name of doors.keys()) {
      if (!this.#doors.has(name)) throw new Error(`Listener "${name}" is new: restart the role`);
    }
    this.#doors = new Map([...this.#doors, ...doors]);
    this.#slice = slice;
  }

  async stop(): Promise<void> {
    const closed = Promise.all(this.#listening.map((each) => each.close()));
    for (const session of this.#sessions.keys()) session.stop();
    await Promise.race([closed, pause(this.#context.clock, STOP_PATIENCE)]);
    for (const conn of this.#sessions.values()) conn.destroy();
    this.#injector.close();
    this.#auth.close();
  }

  async #serve(name: string, conn: Conn): Promise<void> {
    const door = this.#doors.get(name);
    if (!door) return;
    const { clock, log } = this.#context;
    const id = `${this.#life}-${(++this.#count).toString(36)}`;
    const session = new SmtpSession(
      newConnection({ id, stream: conn, door, peers: this.#peers, clock, log }),
    );
    this.#sessions.set(session, conn);
    await session.run().finally(() => this.#sessions.delete(session));
  }
}

function doorsFor(slice: Slice): ReadonlyMap<string, Door> {
  const { certificate, key } = slice.tls;
  return doorsOf(slice, certificate === "" ? undefined : secureContext(certificate, key));
}

function peersOf(auth: Caller, injector: Injector): Peers {
  return {
    recipient: (address) => auth.ask(recipient, { address }),
    login: (question) => auth.ask(login, question),
    begin: (session, envelope) => injector.begin(session, envelope),
  };
}
