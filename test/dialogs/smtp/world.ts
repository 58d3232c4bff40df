// smtpd for dialogs: the real session with made-up peers, in memory (fake clock, pretended TLS) and on loopback (real TLS).
// given: users=ann@example.test bob@…   mode=mx|submission|submissions|lan|qmtp|qmqp   auth=away   queue=full|later|never|away|lost|silent
//        relay=HOST… (qmail.rcpthosts)   percent=HOST… (qmail.percenthack)
//        size=N   recipients=N   tls=no   slowqueue=yes   contact=TEXT   xclient=yes (the client may use it)
//        full=ADDRESS (its mailbox takes 1000 bytes, of which 400 are left)   suspended=ADDRESS   looping=ADDRESS
//        why=long (the queue has much to say)   messages=N   errors=N   hops=N   fields=N   header=N

import type { Clock } from "#base/clock.ts";
import { Trouble } from "#base/problem.ts";
import { Logger } from "#log/logger.ts";
import { Budget } from "#roles/smtpd/counted/budget.ts";
import { CountedSession } from "#roles/smtpd/counted/session.ts";
import { doorsOf } from "#roles/smtpd/door.ts";
import { SmtpSession } from "#roles/smtpd/session.ts";
import { type Door, newConnection, type Peers } from "#roles/smtpd/state.ts";
import type { Stream } from "#sys/conn.ts";
import type { Injection, InjectResult } from "#talk/inject.ts";
import { FakeClock, settle } from "#test/support/clock.ts";
import type { DialogTarget, Given } from "#test/support/dialog.ts";
import { smtpListener, standardPolicy, testCertificate } from "#test/support/listeners.ts";
import { loopbackClient, serveLoopback } from "#test/support/loopback.ts";
import { type MemoryClient, memoryPair } from "#test/support/memory.ts";
import { type Envelope, splitAddress } from "#wire/envelope.ts";

export const PASSWORD = "secret";

/** A message as the queue got it. */
export interface Message {
  readonly id: string;
  readonly envelope: Envelope;
  body: Buffer;
  state: "open" | "rejected" | "queued" | "refused" | "aborted";
}

export class World {
  readonly clock = new FakeClock();
  readonly messages: Message[] = [];
  readonly lines: string[] = [];
  readonly sessions = new Set<SmtpSession | CountedSession>();
  readonly budget = new Budget(1_000_000);
  readonly peers: Peers;
  readonly door: Door;
  readonly #given: Given;
  readonly #users: readonly string[];
  #count = 0;
  /** With slowqueue: lets the queue take more. */
  release: () => void = () => {};

  constructor(given: Given = {}) {
    this.#given = given;
    this.#users = (given["users"] ?? "ann@example.test bob@example.test").split(" ");
    this.door = doorOf(given, this.clock);
    this.peers = {
      recipient: async (address) => {
        this.#away("auth");
        const domains = new Set(this.#users.map((user) => splitAddress(user).domain));
        if (address === given["full"]) return { kind: "deliverable", room: 400, most: 1000 };
        if (address === given["suspended"])
          return { kind: "denied", why: { code: "4.2.1", text: "suspended" } };
        if (address === given["looping"]) return { kind: "denied", why: { code: "5.4.6", text: "a loop" } };
        if ([...this.#users, "postmaster"].includes(address.toLowerCase())) return { kind: "deliverable" };
        return { kind: domains.has(splitAddress(address).domain) ? "unknown" : "elsewhere" };
      },
      login: async ({ user, password }) => {
        this.#away("auth");
        if (!this.#users.includes(user) || password !== PASSWORD) return { kind: "denied" };
        return { kind: "welcome", account: user, addresses: [user], ticket: "", reader: 0 };
      },
      begin: async (_session, envelope) => {
        this.#away("queue");
        return this.#inject(envelope);
      },
    };
  }

  /** Serves one connection as the role does. */
  async serve(stream: Stream, clock: Clock = this.clock): Promise<void> {
    const sink = (line: string) => void this.lines.push(line);
    const log = new Logger({ role: "smtpd", clock, level: "debug", sink });
    const { door, peers } = this;
    const connection = newConnection({ id: `s${++this.#count}`, stream, door, peers, clock, log });
    const counted = door.class === "qmtp" || door.class === "qmqp";
    const session = counted ? new CountedSession(connection, this.budget) : new SmtpSession(connection);
    this.sessions.add(session);
    await session.run().finally(() => this.sessions.delete(session));
  }

  /** A client in memory; `done` resolves when the server has ended its side. */
  connect(): { readonly client: MemoryClient; readonly done: Promise<void> } {
    const { server, client } = memoryPair(this.clock, { tls: false });
    return { client, done: this.serve(server) };
  }

  /** Events of a name in the log. */
  events(name: string): readonly string[] {
    return this.lines.filter((line) => line.includes(` smtpd ${name} `));
  }

  #away(role: "auth" | "queue"): void {
    if (this.#given[role] === "away") throw new Trouble("ask", `The role ${role} is away`);
  }

  #inject(envelope: Envelope): Injection {
    const id = `m-${this.messages.length + 1}`;
    const message: Message = { id, envelope, body: Buffer.alloc(0), state: "open" };
    this.messages.push(message);
    const slow = this.#given["slowqueue"] === "yes";
    return {
      id,
      refused: undefined,
      write: (chunk) => {
        message.body = Buffer.concat([message.body, chunk]);
        return !slow;
      },
      drained: () =>
        new Promise((resolve) => {
          this.release = resolve;
        }),
      commit: () => this.#commit(message, this.#given["queue"]),
      reject: (fields) => {
        message.body = Buffer.concat([Buffer.from(fields), message.body]);
        message.state = "rejected";
        return this.#given["queue"] === "lost"
          ? Promise.reject(new Trouble("inject", "The link was lost"))
          : Promise.resolve({ kind: "queued", id });
      },
      abort: () => {
        message.state = "aborted";
      },
    };
  }

  async #commit(message: Message, outcome: string | undefined): Promise<InjectResult> {
    if (outcome === "silent") return new Promise(() => {});
    if (outcome === "lost") throw new Trouble("inject", "The link was lost");
    if (outcome === "full" || outcome === "later" || outcome === "never") {
      message.state = "refused";
      const more = this.#given["why"] === "long" ? ` ${outcome}`.repeat(50) : "";
      return { kind: "refused", reason: outcome, text: `The queue says ${outcome}${more}` };
    }
    message.state = "queued";
    return { kind: "queued", id: message.id };
  }
}

const words = (text = ""): readonly string[] => text.split(" ").filter((word) => word !== "");

const ways: Readonly<Record<string, "none" | "implicit">> = {
  submissions: "implicit",
  qmtp: "none",
  qmqp: "none",
};

function doorOf(given: Given, clock: Clock): Door {
  const mode = given["mode"] ?? "mx";
  const listener = smtpListener("it", {
    class: mode === "submissions" ? "submission" : (mode as Door["class"]),
    tls: ways[mode] ?? "starttls",
    maxSize: Number(given["size"] ?? 1_000_000),
    maxRecipients: Number(given["recipients"] ?? 100),
    // the client's address in memory and on loopback
    networks: ["lan", "qmqp"].includes(mode) ? ["192.0.2.7", "127.0.0.0/8"] : [],
    messages: Number(given["messages"] ?? 1000),
    errors: Number(given["errors"] ?? 20),
    hops: Number(given["hops"] ?? 100),
    headerFields: Number(given["fields"] ?? 1000),
    headerBytes: Number(given["header"] ?? 131_072),
  });
  const slice = {
    log: "debug",
    hostname: "mail.example.test",
    listeners: [listener],
    certificates: given["tls"] === "no" ? [] : [testCertificate],
    contact: given["contact"] ?? "",
    // the client's address in memory and on loopback
    xclient: given["xclient"] === "yes" ? ["192.0.2.7", "127.0.0.0/8"] : [],
    connections: 100,
    exempt: [],
    policy: standardPolicy,
    content: [],
    dnsServers: [],
    relayHosts: words(given["relay"]),
    percentHack: words(given["percent"]),
    bareHost: "mail.example.test",
  } as const;
  return doorsOf(slice, clock).get("it") as Door;
}

export const worlds: Readonly<Record<string, (given: Given) => Promise<DialogTarget>>> = {
  memory: async (given) => {
    const world = new World(given);
    return {
      connect: async () => {
        const { client } = world.connect();
        if (world.door.implicitTls) await client.secure();
        return client;
      },
      wait: (ms) => world.clock.advance(ms),
      stop: async () => {},
    };
  },
  loopback: async (given) => {
    const world = new World(given);
    const served = await serveLoopback(world.clock, (conn) => world.serve(conn));
    return {
      connect: () => loopbackClient(served.port, { tls: world.door.implicitTls }),
      wait: async (ms) => {
        // bytes on their way must arrive before time goes on
        await settle();
        await new Promise((resolve) => setTimeout(resolve, 20));
        await world.clock.advance(ms);
      },
      stop: () => served.stop(),
    };
  },
};
