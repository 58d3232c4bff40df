// Peer: one connection to a mail server: greeting, EHLO, STARTTLS, and commands with their answers.

import tls from "node:tls";
import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { messageOf, Trouble } from "#base/problem.ts";
import { Conn, nextOf } from "#sys/conn.ts";
import { connect } from "#sys/connect.ts";
import { dial } from "#sys/local.ts";
import type { Status } from "#wire/envelope.ts";
import { type Answer, AnswerReader, answerText, parseExtensions } from "#wire/smtp/answer.ts";
import type { Target } from "./route.ts";
import { type Flaw, flawOf, type Security } from "./security.ts";

export interface PeerOptions {
  readonly clock: Clock;
  /** PEM of the authorities that are believed; "": the public ones. */
  readonly authorities: string;
  /** Longest waits; `limits.remote` outside tests. */
  readonly waits: Waits;
}

export type Waits = Readonly<
  Record<"connect" | "greeting" | "command" | "dataStart" | "dataEnd" | "whole", number>
>;

/** A server that is of no use now: the next one is tried. */
interface Useless {
  readonly kind: "useless";
  readonly why: Status;
  /** It is for this that it is of no use. */
  readonly flaw?: Flaw | undefined;
}

/** One context for all connections: certificates of opportunistic TLS are not judged, so no roots are read (RFC 7435). */
const blind = tls.createSecureContext({ ca: [] });

/** The one that knows authorities, made when it is needed: the public ones take some MB. */
let seeing: { readonly authorities: string; readonly context: tls.SecureContext } | undefined;

function contextFor({ proof }: Security, authorities: string): tls.SecureContext {
  if (proof?.kind !== "pkix") return blind;
  if (seeing?.authorities !== authorities) {
    const context = tls.createSecureContext(authorities === "" ? {} : { ca: authorities });
    seeing = { authorities, context };
  }
  return seeing.context;
}

export class Peer {
  readonly target: Target;
  readonly #conn: Conn;
  readonly #options: PeerOptions;
  #reader = new AnswerReader();
  #extensions: ReadonlyMap<string, string> = new Map();
  #proven = false;
  /** What is wrong with its TLS, though mail goes there. */
  flaw: Flaw | undefined;
  /** Why it says goodbye: a 421 that was seen. */
  farewell: Answer | undefined;
  /** Transactions done. */
  messages = 0;

  constructor(target: Target, conn: Conn, options: PeerOptions) {
    this.target = target;
    this.#conn = conn;
    this.#options = options;
  }

  get secured(): boolean {
    return this.#conn.tls !== undefined;
  }

  /** It has proven who it is. */
  get proven(): boolean {
    return this.#proven;
  }

  get waits(): Waits {
    return this.#options.waits;
  }

  offers(extension: string): boolean {
    return this.#extensions.has(extension);
  }

  /** One of its LIMITS (RFC 9422 §3), such as "RCPTMAX". */
  most(limit: "RCPTMAX" | "MAILMAX"): number {
    const [, found] = new RegExp(`(?:^| )${limit} (\\d{1,6})(?: |$)`).exec(this.parameters("LIMITS")) ?? [];
    return Number(found) > 0 ? Number(found) : Number.POSITIVE_INFINITY;
  }

  /** What stands behind the keyword of an extension; "" for nothing. */
  parameters(extension: string): string {
    return this.#extensions.get(extension) ?? "";
  }

  /** It has said what it was asked for, and not goodbye. */
  get quiet(): boolean {
    return !this.farewell && this.#reader.rest === 0;
  }

  /** Runs `work`; the connection is cut when it takes too long in all. */
  async within<T>(work: () => Promise<T>): Promise<T> {
    const timer = this.#options.clock.after(this.waits.whole, () => this.destroy());
    try {
      return await work();
    } finally {
      timer.cancel();
    }
  }

  /** The largest message it takes, when it says so (RFC 1870; 0 says nothing). */
  get largest(): number | undefined {
    const size = Number(this.#extensions.get("SIZE") || Number.NaN);
    return size > 0 ? size : undefined;
  }

  /** Sends and reads one answer. Trouble: lost, silent, or no SMTP. */
  async ask(line: string, ms: number): Promise<Answer> {
    await this.write(line);
    return this.answer(ms);
  }

  async answer(ms: number): Promise<Answer> {
    const next = await nextOf(this.#reader, this.#conn, ms);
    if (!next) throw new Trouble("talk to the server", "the connection was closed", { code: "closed" });
    if (!next.ok) {
      this.destroy();
      throw new Trouble("talk to the server", `the server sent ${next.error}`, { code: "garbage" });
    }
    // RFC 5321 §3.8: it closes after this, whatever it was the answer to
    if (next.value.code === 421) this.farewell = next.value;
    return next.value;
  }

  async write(data: string | Buffer): Promise<void> {
    await this.#conn.write(data);
  }

  /** Ends politely, without waiting for the answer. */
  quit(): void {
    // what can fail here fails for nobody
    this.#conn.write("QUIT\r\n")?.catch(() => {});
    this.#conn.end();
  }

  destroy(): void {
    this.#conn.destroy();
  }

  /** Greeting, EHLO and, if it is offered or demanded, TLS; then it is ready for MAIL. "clear": TLS failed, a new connection without is worth it. */
  async begin(tryTls: boolean): Promise<"ready" | "clear" | Useless> {
    const ready = await this.#secured(tryTls);
    const { login } = this.target.manner;
    return ready === "ready" && login ? this.#login(login) : ready;
  }

  async #secured(tryTls: boolean): Promise<"ready" | "clear" | Useless> {
    const greeting = await this.answer(this.waits.greeting);
    if (greeting.code !== 220) return this.#useless("greeted with", greeting);
    const hello = await this.#hello();
    if (hello !== "ready" || !tryTls) return hello;
    if (!this.offers("STARTTLS"))
      return this.#flawed("ready", "4.7.4", { type: "starttls-not-supported", text: "offers no STARTTLS" });
    try {
      return await this.#secure();
    } catch (trouble) {
      if (!(trouble instanceof Trouble)) throw trouble;
      const text = `cannot do TLS: ${trouble.message}`;
      return this.#flawed("clear", "4.7.5", { type: "validation-failure", text });
    }
  }

  /** Goes on in spite of a flaw where that may be; not safe enough otherwise: that may be mended, or another server be better. */
  #flawed(how: "ready" | "clear", code: string, flaw: Flaw): "ready" | "clear" | Useless {
    this.flaw = flaw;
    return this.#must ? this.#insecure(code, flaw) : how;
  }

  /** No mail goes there without TLS. */
  get #must(): boolean {
    return this.target.security.tls === "must";
  }

  async #secure(): Promise<"ready" | "clear" | Useless> {
    const { host, security } = this.target;
    const start = await this.ask("STARTTLS\r\n", this.waits.command);
    // RFC 3207 §4: anything but 220 leaves the session as it is
    if (start.code !== 220) {
      this.flaw = { type: "starttls-not-supported", text: "refused STARTTLS" };
      const refused = { ...this.#useless("answered STARTTLS with", start), flaw: this.flaw };
      return this.farewell || this.#must ? refused : "ready";
    }
    // what was sent in clear behind the answer would be taken for encrypted (CVE-2011-0411)
    if (this.#reader.rest > 0) {
      const text = "sent clear text behind its answer to STARTTLS";
      return this.#flawed("clear", "4.7.5", { type: "validation-failure", text });
    }
    const secureContext = contextFor(security, this.#options.authorities);
    await this.#conn.secureClient(security.servername ?? host, { secureContext });
    this.#reader = new AnswerReader();
    const flaw = security.proof && flawOf(this.#conn.shown, security.proof, this.#options.clock.now());
    this.flaw = flaw && { ...flaw, text: `has not proven who it is: ${flaw.text}` };
    if (this.flaw && this.#must) return this.#insecure("4.7.5", this.flaw);
    this.#proven = security.proof !== undefined && !flaw;
    // RFC 3207 §4.2: what was said before TLS is forgotten
    return this.#hello();
  }

  #insecure(code: string, flaw: Flaw): Useless {
    return { kind: "useless", why: { code, text: `${nameOf(this.target)} ${flaw.text}` }, flaw };
  }

  async #hello(): Promise<"ready" | Useless> {
    const { hello: hostname, protocol } = this.target.manner;
    // RFC 2033 §4.1
    const isLmtp = protocol === "lmtp";
    const hello = await this.ask(`${isLmtp ? "LHLO" : "EHLO"} ${hostname}\r\n`, this.waits.command);
    if (isPositive(hello)) {
      // a delivery agent on this machine may well have our name
      if (!isLmtp && hello.lines[0]?.split(" ")[0]?.toLowerCase() === hostname.toLowerCase())
        return this.#ourselves();
      this.#extensions = parseExtensions(hello);
      return "ready";
    }
    if (hello.code < 500 || isLmtp) return this.#useless("answered EHLO with", hello);
    // RFC 5321 §3.2: servers of before 1995
    const old = await this.ask(`HELO ${hostname}\r\n`, this.waits.command);
    this.#extensions = new Map();
    return isPositive(old) ? "ready" : this.#useless("answered HELO with", old);
  }

  /** RFC 4954 §4, with PLAIN (RFC 4616) or LOGIN. What is refused may be mended here, so the message waits. */
  async #login({
    user,
    password,
  }: {
    readonly user: string;
    readonly password: string;
  }): Promise<"ready" | Useless> {
    const mechanisms = this.parameters("AUTH").toUpperCase().split(" ");
    const base64 = (text: string) => Buffer.from(text).toString("base64");
    const { command } = this.waits;
    // the configuration demands TLS for passwords, but for this machine
    let answer: Answer;
    if (mechanisms.includes("PLAIN")) {
      answer = await this.ask(`AUTH PLAIN ${base64(`\0${user}\0${password}`)}\r\n`, command);
    } else if (mechanisms.includes("LOGIN")) {
      answer = await this.ask("AUTH LOGIN\r\n", command);
      for (const each of [user, password])
        if (answer.code === 334) answer = await this.ask(`${base64(each)}\r\n`, command);
    } else {
      const text = `${nameOf(this.target)} offers no login that we know (AUTH PLAIN, LOGIN)`;
      return { kind: "useless", why: { code: "4.7.8", text } };
    }
    return answer.code === 235 ? "ready" : this.#useless("answered our login with", answer);
  }

  #ourselves(): Useless {
    const text = `${nameOf(this.target)} calls itself ${this.target.manner.hello}, as we do: mail would loop`;
    return { kind: "useless", why: { code: "4.4.6", text } };
  }

  /** Even a 5xx here is no verdict on the message: another server, or another time, may take it. */
  #useless(did: string, answer: Answer): Useless {
    const text = `${nameOf(this.target)} ${did}: ${answerText(answer, limits.queue.statusText)}`;
    return { kind: "useless", why: { code: temporary(answer.enhanced) ?? "4.3.2", text } };
  }
}

const temporary = (enhanced: string | undefined): string | undefined =>
  enhanced?.startsWith("5") ? `4${enhanced.slice(1)}` : enhanced;

export const isPositive = ({ code }: Answer): boolean => code >= 200 && code < 300;

export const nameOf = ({ host, address }: Pick<Target, "host" | "address">): string =>
  host === address ? `[${address}]` : `${host} [${address}]`;

/** A peer that is ready for MAIL, or why there is none at this target. Never rejects for what the network or the server does. */
export async function openPeer(target: Target, options: PeerOptions): Promise<Peer | Useless> {
  // what must be encrypted is not tried in clear
  const ways = { none: [false], may: [true, false], must: [true] };
  let flaw: Flaw | undefined;
  for (const tryTls of ways[target.security.tls]) {
    const opened = await openOnce(target, options, tryTls);
    if (opened.kind === "clear") flaw = opened.flaw;
    else if (opened.kind === "ready") {
      opened.peer.flaw ??= flaw;
      return opened.peer;
    } else return { ...opened, flaw: opened.flaw ?? flaw };
  }
  return { kind: "useless", why: { code: "4.7.5", text: `${nameOf(target)} cannot do TLS` }, flaw };
}

const begin = (peer: Peer, tryTls: boolean) => peer.within(() => peer.begin(tryTls));

async function connectTo({ address, port, manner }: Target, { waits, clock }: PeerOptions): Promise<Conn> {
  if (!address.startsWith("unix:"))
    return connect({ address, port, source: manner.source, ms: waits.connect });
  return new Conn(await dial(address.slice("unix:".length), waits.connect), clock);
}

type Opened =
  | { readonly kind: "ready"; readonly peer: Peer }
  | { readonly kind: "clear"; readonly flaw: Flaw | undefined }
  | Useless;

async function openOnce(target: Target, options: PeerOptions, tryTls: boolean): Promise<Opened> {
  let peer: Peer | undefined;
  try {
    const conn = await connectTo(target, options);
    peer = new Peer(target, conn, options);
    const begun = await begin(peer, tryTls);
    if (begun === "ready") return { kind: "ready", peer };
    if (begun !== "clear") {
      peer.quit();
      return begun;
    }
    peer.destroy();
    return { kind: "clear", flaw: peer.flaw };
  } catch (trouble) {
    peer?.destroy();
    if (!(trouble instanceof Trouble)) throw trouble;
    const text = `${nameOf(target)}: ${messageOf(trouble)}`;
    return { kind: "useless", why: { code: peer ? "4.4.2" : "4.4.1", text } };
  }
}
