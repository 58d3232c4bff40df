// A connection of QMTP or QMQP from its first byte to its end; the messages are in qmtp.ts and qmqp.ts.

import { addressLiteral } from "#wire/message/received.ts";
import { formatNetstring } from "#wire/netstring.ts";
import { attend } from "../attend.ts";
import type { Connection } from "../state.ts";
import type { Budget } from "./budget.ts";
import { type Bad, Ended, Incoming } from "./incoming.ts";
import { qmqp } from "./qmqp.ts";
import { qmtp } from "./qmtp.ts";

/** What takes a message has at hand. */
export interface Talk {
  readonly connection: Connection;
  readonly incoming: Incoming;
  readonly budget: Budget;
  /** Sends answers, each as a netstring. */
  readonly say: (answers: readonly string[]) => Promise<void>;
}

type Reason = Bad | "quit" | "tls" | "shutdown" | "broken";

export class CountedSession {
  readonly #connection: Connection;
  readonly #budget: Budget;
  /** Waits for another message. */
  #idle = false;
  #stopping = false;

  constructor(connection: Connection, budget: Budget) {
    this.#connection = connection;
    this.#budget = budget;
  }

  /** Serves the connection until it ends. Rejects only for our own bugs. */
  run(): Promise<void> {
    return attend(this.#connection, async () => {
      try {
        return await this.#serve();
      } catch (thrown) {
        if (thrown instanceof Ended) return thrown.reason;
        throw thrown;
      }
    });
  }

  /** Ends at once when we wait for a message, else behind the one that is under way. */
  stop(): void {
    this.#stopping = true;
    if (this.#idle) this.#connection.stream.end();
  }

  async #serve(): Promise<Reason> {
    const { door, stream } = this.#connection;
    if (door.implicitTls) {
      if (!door.tls) return "tls";
      await stream.secure(door.tls);
    }
    this.#greet();
    const take = door.class === "qmqp" ? qmqp : qmtp;
    const incoming = new Incoming(this.#connection);
    const say = async (answers: readonly string[]) => {
      await stream.write(Buffer.concat(answers.map((each) => formatNetstring(each))));
    };
    const talk: Talk = { connection: this.#connection, incoming, budget: this.#budget, say };
    while (await this.#begins(incoming)) {
      if (!(await take(talk))) return door.class === "qmqp" ? "quit" : "refused";
    }
    return this.#stopping ? "shutdown" : "quit";
  }

  /** Nobody says HELO here: the rules judge an address that says no more than it is. */
  #greet(): void {
    const { session, client, judge } = this.#connection;
    const name = client.address === "" ? "unknown" : addressLiteral(client.address);
    session.hello = { name, extended: false };
    judge?.hello(name);
  }

  async #begins(incoming: Incoming): Promise<boolean> {
    this.#idle = true;
    const begins = !this.#stopping && (await incoming.begins());
    this.#idle = false;
    return begins && !this.#stopping;
  }
}
