// The sockets roles are born with: network listeners by name, and one Unix socket for each role that may ask them. Held here for
// the life of the server, so that nobody notices when a role is started again.

import { pause, systemClock } from "#base/clock.ts";
import { codeOf, messageOf, Trouble } from "#base/problem.ts";
import type { SlicedRole } from "#config/slice.ts";
import { type Bound, bindLocal, bindTcp } from "#sys/child.ts";
import { roles, socketPath } from "../roles.ts";
import type { Owners } from "./layout.ts";

export interface ListenerAddress {
  readonly role: SlicedRole;
  /** Key in the role's slice: "mx.0". */
  readonly name: string;
  readonly address: string;
  readonly port: number;
}

/** A port may still be held by roles of a supervisor that was killed; they end within this time. */
const PORT_PATIENCE = 3000;
const PORT_RETRY = 100;

export class Sockets {
  readonly #owners: Owners;
  readonly #network = new Map<string, { readonly where: ListenerAddress; readonly bound: Bound }>();
  readonly #local = new Map<string, Bound>();

  constructor(owners: Owners) {
    this.#owners = owners;
  }

  /** Binds what is new, closes what is gone. Trouble with one sentence when a port cannot be had; then nothing has changed. */
  async listen(wanted: readonly ListenerAddress[]): Promise<void> {
    const made: [string, { where: ListenerAddress; bound: Bound }][] = [];
    try {
      for (const where of wanted) {
        if (!this.#has(where)) made.push([where.name, { where, bound: await bindPatiently(where) }]);
      }
    } catch (thrown) {
      for (const [, { bound }] of made) bound.close();
      throw thrown;
    }
    for (const [name, { where, bound }] of this.#network) {
      if (wanted.some((each) => same(each, where))) continue;
      bound.close();
      this.#network.delete(name);
    }
    for (const [name, entry] of made) this.#network.set(name, entry);
  }

  /** Descriptors of a role's network listeners, by name. */
  listeners(role: SlicedRole): ReadonlyMap<string, number> {
    const own = [...this.#network].filter(([, { where }]) => where.role === role);
    return new Map(own.map(([name, { bound }]) => [name, bound.fd]));
  }

  /** Descriptors of the sockets on which one process of a role answers its peers, by the peer's name; bound at first use. */
  answers(role: SlicedRole, index: number): ReadonlyMap<string, number> {
    return new Map(roles[role].answers.map((peer) => [peer, this.#answer(role, peer, index).fd]));
  }

  close(): void {
    for (const { bound } of this.#network.values()) bound.close();
    for (const bound of this.#local.values()) bound.close();
  }

  #has(where: ListenerAddress): boolean {
    const held = this.#network.get(where.name);
    return held !== undefined && same(held.where, where);
  }

  #answer(role: SlicedRole, peer: (typeof roles)[SlicedRole]["answers"][number], index: number): Bound {
    const path = socketPath(role, peer, index);
    const held = this.#local.get(path);
    if (held) return held;
    // the supervisor and the command line are whoever runs the server
    const owner =
      peer === "supervisor" || peer === "control" ? undefined : this.#owners.user(roles[peer].user);
    const bound = bindLocal(path, owner);
    this.#local.set(path, bound);
    return bound;
  }
}

const same = (a: ListenerAddress, b: ListenerAddress): boolean =>
  a.name === b.name && a.address === b.address && a.port === b.port;

async function bindPatiently(where: ListenerAddress): Promise<Bound> {
  const end = systemClock.monotonic() + PORT_PATIENCE;
  for (;;) {
    try {
      return bindTcp(where.address, where.port);
    } catch (thrown) {
      if (codeOf(thrown) === "EADDRINUSE" && systemClock.monotonic() < end) {
        await pause(systemClock, PORT_RETRY);
        continue;
      }
      throw new Trouble("listen", explain(where, thrown), thrown);
    }
  }
}

function explain({ address, port, name }: ListenerAddress, thrown: unknown): string {
  const where = `${address} port ${port}`;
  switch (codeOf(thrown)) {
    case "EADDRINUSE":
      return `Cannot listen on ${where} for "${name}": another program uses it; stop that program or change "listen" in kenro.toml`;
    case "EACCES":
      return `Cannot listen on ${where} for "${name}": ports below 1024 need root; start as root or use --port-base`;
    case "EADDRNOTAVAIL":
      return `Cannot listen on ${where} for "${name}": this machine has no such address; change "listen" in kenro.toml`;
    default:
      return `Cannot listen on ${where} for "${name}": ${messageOf(thrown)}`;
  }
}
