// smtpd: takes mail on 25 from anybody for us, on 587 and 465 from our users for anybody. It owns nothing: auth knows who exists,
// the queue keeps what was accepted.

import { type Clock, pause } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { Networks } from "#base/network.ts";
import { messageOf } from "#base/problem.ts";
import type { SliceOf } from "#config/slice.ts";
import type { SiteRules } from "#policy/site/rules.ts";
import { Admission, type Refusal } from "#sys/admission.ts";
import type { Conn } from "#sys/conn.ts";
import { connectionsFor } from "#sys/files.ts";
import { serving } from "#sys/garbage.ts";
import { type Listening, listen } from "#sys/listen.ts";
import { Caller } from "#talk/caller.ts";
import { Injector } from "#talk/inject.ts";
import { login } from "#talk/login.ts";
import { type RecipientAnswer, recipient } from "#talk/lookup.ts";
import { Remembered } from "#talk/remembered.ts";
import { formatNetstring } from "#wire/netstring.ts";
import { turnedAway } from "#wire/qmtp.ts";
import { notAdmitted } from "#wire/smtp/replies.ts";
import type { RoleContext, Running, Start } from "../boot.ts";
import { checkersOf } from "./content/checkers.ts";
import { Budget } from "./counted/budget.ts";
import { CountedSession } from "./counted/session.ts";
import { doorsOf } from "./door.ts";
import { LedgerMemory } from "./memory.ts";
import { judgesBy, siteRules } from "./policy.ts";
import { SmtpSession } from "./session.ts";
import { type Door, newConnection, type Peers, type SessionJudge } from "./state.ts";

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
  readonly #sessions = new Map<SmtpSession | CountedSession, Conn>();
  /** For messages whose envelope is behind them. */
  readonly #budget = new Budget(limits.counted.memory);
  readonly #listening: Listening[] = [];
  readonly #auth: Caller;
  readonly #injector: Injector;
  readonly #memory: LedgerMemory;
  readonly #peers: Peers;
  readonly #admission: Admission;
  /** Makes the ids of sessions of one life differ from those of another. */
  readonly #life: string;
  #count = 0;
  readonly #site: SiteRules;
  #judges: (address: string, listener: string) => SessionJudge;
  #doors: ReadonlyMap<string, Door>;
  #shared: ReturnType<typeof sharedOf>;

  constructor(context: RoleContext<"smtpd">) {
    this.#context = context;
    this.#doors = doorsOf(context.slice, context.clock);
    this.#shared = sharedOf(context.slice);
    // what a reload changes holds from the next connection on
    this.#admission = new Admission(context.clock, () => this.#shared);
    this.#life = `s${context.clock.now().toString(36)}${context.index === 0 ? "" : `.${context.index}`}`;
    this.#auth = new Caller({ path: context.socketOf("auth"), clock: context.clock });
    this.#injector = new Injector(context.socketOf("queue"), context.clock);
    this.#site = siteRules(context.clock, context.log);
    this.#memory = new LedgerMemory(context.socketOf("ledger"), context.clock, context.log);
    this.#judges = this.#judgesFor(context.slice);
    const judge = (address: string, listener: string) => this.#judges(address, listener);
    this.#peers = {
      ...peersOf(this.#auth, this.#injector, context.clock),
      judge,
      note: (session) => this.#memory.note(session),
      wrote: (recipients) => this.#memory.wrote(recipients),
    };
  }

  async listen(): Promise<void> {
    await Promise.all([...this.#doors.values()].map((door) => this.#open(door.name, door.sockets)));
    this.#ping(this.#context.slice);
  }

  async #open(name: string, sockets: readonly string[]): Promise<void> {
    const { clock, log, listener } = this.#context;
    const door = () => this.#doors.get(name) as Door;
    const entrance = this.#admission.entrance(() => door().bounds);
    for (const socket of sockets) {
      const listening = await listen({
        fd: listener(socket),
        clock,
        entrance,
        proxies: () => door().proxies,
        serves: (address) => door().serves?.has(address) ?? true,
        word: (why) => wordFor(door(), why),
        serve: (conn) => this.#serve(door(), conn),
        refused: (ip, reason) => log.event("smtp_refused", { ip, listener: name, reason }),
      });
      this.#listening.push(listening);
    }
  }

  /** For connections from now on; those that are there keep what they began with. */
  reload(slice: Slice): void {
    const doors = doorsOf(slice, this.#context.clock);
    for (const name of doors.keys()) {
      if (!this.#doors.has(name)) throw new Error(`Listener "${name}" is new: restart the role`);
    }
    this.#doors = new Map([...this.#doors, ...doors]);
    this.#shared = sharedOf(slice);
    this.#judges = this.#judgesFor(slice);
    this.#ping(slice);
  }

  /** Says at once which programs of [[content]] are not there; mail goes on as `on_error` says. */
  #ping({ content }: Slice): void {
    const { clock, log } = this.#context;
    for (const { name, address, onError, ping } of checkersOf(content, clock)) {
      ping().catch((thrown: unknown) => {
        const meanwhile = onError === "defer" ? "mail waits until it does" : "mail is taken unseen meanwhile";
        const why = `${messageOf(thrown)} (${address})`;
        log.event("trouble", { text: `The checker ${name} does not work, ${meanwhile}: ${why}` });
      });
    }
  }

  #judgesFor(slice: Slice): (address: string, listener: string) => SessionJudge {
    const { clock, log } = this.#context;
    return judgesBy(slice, { clock, log, auth: this.#auth, memory: this.#memory, site: this.#site });
  }

  async stop(): Promise<void> {
    const closed = Promise.all(this.#listening.map((each) => each.close()));
    for (const session of this.#sessions.keys()) session.stop();
    await Promise.race([closed, pause(this.#context.clock, STOP_PATIENCE)]);
    for (const conn of this.#sessions.values()) conn.destroy();
    await this.#memory.close();
    this.#injector.close();
    this.#auth.close();
  }

  async #serve(door: Door, conn: Conn): Promise<void> {
    const { clock, log } = this.#context;
    const id = `${this.#life}-${(++this.#count).toString(36)}`;
    const connection = newConnection({ id, stream: conn, door, peers: this.#peers, clock, log });
    const session = isCounted(door)
      ? new CountedSession(connection, this.#budget)
      : new SmtpSession(connection);
    this.#sessions.set(session, conn);
    serving(this.#sessions.size);
    await session.run().finally(() => {
      this.#sessions.delete(session);
      serving(this.#sessions.size);
    });
  }
}

const sharedOf = ({ connections, exempt }: Slice) => ({
  connections: connectionsFor(connections),
  exempt: new Networks(exempt),
});

/** Before TLS, and where a QMTP client has sent nothing, there is no word that the client would understand. */
function wordFor(door: Door, why: Refusal): string {
  if (door.implicitTls || door.class === "qmtp") return "";
  return door.class === "qmqp"
    ? formatNetstring(turnedAway(why)).toString()
    : notAdmitted(door.hostname, why).wire;
}

/** QMTP and QMQP. */
const isCounted = (door: Door): boolean => door.class === "qmtp" || door.class === "qmqp";

function peersOf(auth: Caller, injector: Injector, clock: Clock): Peers {
  const { life, entries } = limits.smtp.remembered;
  const recipients = new Remembered<RecipientAnswer>({
    clock,
    life,
    entries,
    ask: (address) => auth.ask(recipient, { address }),
    // what fits into a mailbox is another thing after each message
    fleeting: (answer) =>
      answer.kind !== "deliverable" || answer.most !== undefined || answer.room !== undefined,
  });
  return {
    recipient: (address) => recipients.get(address),
    login: (question) => auth.ask(login, question),
    begin: (session, envelope) => injector.begin(session, envelope),
  };
}
