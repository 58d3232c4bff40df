// Remote: one message for the recipients of one domain: finds its servers, tries them in order, reports an outcome for each recipient.

import { limits } from "#base/limits.ts";
import { messageOf } from "#base/problem.ts";
import type { Logger } from "#log/logger.ts";
import type { SecureResolver } from "#sys/resolver.ts";
import type { Delivered, Delivery } from "#talk/deliver.ts";
import type { Outcome, Status } from "#wire/envelope.ts";
import type { Body } from "#wire/message/binary.ts";
import type { TlsResult } from "#wire/message/tlsresult.ts";
import { formatAddress } from "#wire/smtp/request.ts";
import { type Addressee, type Letter, letterOf } from "./letter.ts";
import { nameOf, openPeer, type Peer, type PeerOptions } from "./peer.ts";
import { Pool } from "./pool.ts";
import { type RouteOptions, route, type Target } from "./route.ts";
import type { Flaw } from "./security.ts";
import { type Done, transact } from "./transaction.ts";

export interface SpoolBody extends Body {
  close(): Promise<void>;
}

export interface RemoteOptions extends PeerOptions, Omit<RouteOptions, "resolver"> {
  readonly log: Logger;
  readonly resolver: SecureResolver;
  /** Hears how connections went, for reports. */
  readonly tell: (result: TlsResult) => void;
  /** Address from which reports on TLS come; "": there are none. */
  readonly reporter: string;
  /** The body of a message; Trouble when it cannot be read. */
  readonly openBody: (place: Delivery["place"]) => Promise<SpoolBody>;
}

type Outcomes = Map<number, Outcome>;

interface Try {
  readonly target: Target;
  readonly letter: Letter;
  readonly batch: readonly Addressee[];
}

/** A server that was passed over: it is of no use now, or must never get this message. */
interface Passed {
  readonly kind: "useless" | "never";
  readonly why: Status;
}

export class Remote {
  readonly #pool: Pool;
  #options: RemoteOptions;

  constructor(options: RemoteOptions) {
    this.#options = options;
    this.#pool = new Pool(options.clock);
  }

  /** Settings as they are from now on; connections that are open stay. */
  set options(options: RemoteOptions) {
    this.#options = options;
  }

  /** An outcome for each recipient; never rejects for what the world does. */
  async deliver(delivery: Delivery): Promise<Delivered> {
    const outcomes: Outcomes = new Map();
    const sender = formatAddress(delivery.sender);
    const addressees = delivery.recipients.flatMap(({ index, address, notify, original }): Addressee[] => {
      const path = formatAddress(address);
      if (path.ok && sender.ok) return [{ index, path: path.value, notify, original }];
      // no server can be told of it
      const code = sender.ok ? "5.1.3" : "5.1.7";
      const what = sender.ok ? "recipient" : "sender";
      outcomes.set(index, { kind: "failed", why: { code, text: `The ${what} cannot be written in SMTP` } });
      return [];
    });
    if (sender.ok && addressees.length > 0)
      await this.#send(delivery, { sender: sender.value, addressees }, outcomes);
    return { outcomes: [...outcomes].map(([index, outcome]) => ({ index, outcome })) };
  }

  close(): void {
    this.#pool.close();
  }

  async #send(
    delivery: Delivery,
    { sender, addressees }: { readonly sender: string; readonly addressees: readonly Addressee[] },
    outcomes: Outcomes,
  ): Promise<void> {
    const { openBody, clock } = this.#options;
    let body: SpoolBody | undefined;
    let letter: Letter;
    try {
      body = await openBody(delivery.place);
      letter = await letterOf(delivery, { sender, body, now: clock.now() });
    } catch (thrown) {
      this.#options.log.event("trouble", { id: delivery.id, text: messageOf(thrown) });
      const why = { code: "4.3.0", text: "The message cannot be read from the spool now" };
      for (const { index } of addressees) outcomes.set(index, { kind: "deferred", why });
      await body?.close().catch(() => {
        // it was only read from
      });
      return;
    }
    try {
      for (let first = 0; first < addressees.length; first += limits.remote.recipients) {
        let batch = addressees.slice(first, first + limits.remote.recipients);
        while (batch.length > 0) {
          const done = await this.#batch(delivery, letter, batch);
          for (const [index, outcome] of done.outcomes) outcomes.set(index, outcome);
          batch = [...done.rest];
        }
      }
    } finally {
      await body.close().catch(() => {
        // it was only read from
      });
    }
  }

  /** The first server that talks to us decides. */
  async #batch(
    delivery: Delivery,
    letter: Letter,
    batch: readonly Addressee[],
  ): Promise<Pick<Done, "outcomes" | "rest">> {
    const { clock } = this.#options;
    const end = clock.monotonic() + limits.remote.connecting;
    let never: Status | undefined;
    let later: Status | undefined;
    const unreached = { code: "4.4.1", text: `No mail exchanger of ${delivery.domain} could be reached` };
    // while one of them may do later, the message waits for that
    const verdict = (): Outcome =>
      never && !later ? { kind: "failed", why: never } : { kind: "deferred", why: later ?? unreached };
    const targets = route(delivery, this.#routing(delivery));
    for (;;) {
      const next = await targets.next();
      if (next.done) return settled(batch, next.value ?? verdict());
      const attempt = await this.#attempt(delivery, { target: next.value, letter, batch });
      if ("outcomes" in attempt) return attempt;
      if (attempt.kind === "never") never ??= attempt.why;
      else later = attempt.why;
      if (clock.monotonic() >= end) return settled(batch, verdict());
    }
  }

  /** A report on TLS goes out whatever is wrong with TLS, and is not counted in the next one (RFC 8460 §3). */
  #isReport({ sender, submitted }: Delivery): boolean {
    return !submitted && sender !== "" && sender === this.#options.reporter;
  }

  #routing(delivery: Delivery): RouteOptions {
    const { domain } = delivery;
    if (this.#isReport(delivery)) return { ...this.#options, ignorePublished: true };
    return { ...this.#options, failed: (result) => this.#options.tell({ ...result, domain }) };
  }

  /** How a connection went, as far as TLS decided that. */
  #tell(delivery: Delivery, target: Target, flaw: Flaw | undefined): void {
    const { found, flaw: known } = target.security;
    const wrong = flaw ?? known;
    const { host, address } = target;
    if (!found || this.#isReport(delivery)) return;
    const failure = wrong && { result: wrong.type, host, address };
    this.#options.tell({ domain: delivery.domain, policy: found, failure });
  }

  async #attempt(delivery: Delivery, { target: given, letter, batch }: Try): Promise<Done | Passed> {
    const strict = isStrict(letter);
    const target = strict ? strictTarget(given, delivery.domain) : given;
    if ("why" in target) return target;
    const mayTake = (server: Peer) => !strict || server.offers("REQUIRETLS");
    for (let waiting = this.#pool.take(target); waiting; waiting = this.#pool.take(target)) {
      if (!mayTake(waiting)) return this.#passOver(waiting);
      const done = await this.#transact(delivery.id, waiting, { letter, batch });
      // it had died while it waited: nothing has happened yet
      if (!done.untouched) return done;
    }
    const peer = await openPeer(target, this.#options);
    if ("why" in peer) {
      if (peer.flaw) this.#tell(delivery, target, peer.flaw);
      this.#note(delivery.id, target, { result: `${peer.why.code} ${peer.why.text}` });
      return peer;
    }
    this.#tell(delivery, target, peer.flaw);
    return mayTake(peer) ? this.#transact(delivery.id, peer, { letter, batch }) : this.#passOver(peer);
  }

  /** RFC 8689 §4.2.1: a server that would not hand the demand on does not get the message. */
  #passOver(peer: Peer): Passed {
    const text = `${nameOf(peer.target)} does not offer REQUIRETLS, which the sender wants`;
    this.#pool.give(peer);
    return { kind: "never", why: { code: "5.7.30", text } };
  }

  async #transact(
    id: string,
    peer: Peer,
    { letter, batch }: { readonly letter: Letter; readonly batch: readonly Addressee[] },
  ): Promise<Done> {
    const reused = peer.messages > 0;
    const { secured } = peer;
    const done = await transact(peer, letter, batch);
    peer.messages++;
    if (done.usable && peer.messages < peer.most("MAILMAX")) this.#pool.give(peer);
    else peer.quit();
    this.#note(id, peer.target, { tls: secured, reused, result: summary(done.outcomes) });
    return done;
  }

  #note(
    id: string,
    { host, address }: Target,
    { tls, reused, result }: { readonly tls?: boolean; readonly reused?: boolean; readonly result: string },
  ): void {
    this.#options.log.event("remote_attempt", {
      id,
      host,
      ip: address,
      tls,
      reused: reused || undefined,
      result,
    });
  }
}

function settled(batch: readonly Addressee[], outcome: Outcome): Pick<Done, "outcomes" | "rest"> {
  return { outcomes: new Map(batch.map(({ index }) => [index, outcome])), rest: [] };
}

/** Under REQUIRETLS, but for reports, which are not thrown away for it (RFC 8689 §5). */
const isStrict = ({ requireTls, sender }: Letter): boolean => requireTls === true && sender !== "";

/** RFC 8689 §4.2.1: a server must have proven who it is, and the domain that it is its server. */
function strictTarget(target: Target, domain: string): Target | Passed {
  const { security } = target;
  if (security.proof) return { ...target, security: { ...security, tls: "must" } };
  const text = `The sender wants it sent only to proven servers (REQUIRETLS); nothing proves to us which those of ${domain} are`;
  return { kind: "never", why: { code: "5.7.30", text } };
}

/** Counts by kind: `delivered:2,failed:1`. */
function summary(outcomes: ReadonlyMap<number, Outcome>): string {
  const counts = new Map<string, number>();
  for (const { kind } of outcomes.values()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return [...counts].map(([kind, count]) => `${kind}:${count}`).join(",");
}
