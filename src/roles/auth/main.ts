// auth: the only role that knows accounts. It answers each peer what that peer's work needs, and nothing else.

import { crc32 } from "node:zlib";
import type { Clock } from "#base/clock.ts";
import { Trouble } from "#base/problem.ts";
import type { Logger } from "#log/logger.ts";
import { foldLocal, unquoteLocal } from "#store/accounts/address.ts";
import { Directory } from "#store/accounts/directory.ts";
import { SystemDomains } from "#store/accounts/systemdomains.ts";
import { answerVerbs, type Handled, on } from "#talk/answerer.ts";
import { Caller } from "#talk/caller.ts";
import { type Login, type LoginAnswer, login, redeem } from "#talk/login.ts";
import { type Destination, isLocal, type RecipientAnswer, recipient, usage, whereTo } from "#talk/lookup.ts";
import { type Existence, systemUser } from "#talk/lspawn.ts";
import { splitAddress } from "#wire/envelope.ts";
import type { Start } from "../boot.ts";
import { Lookups } from "./lookups.ts";
import { Tickets } from "./tickets.ts";
import { Verifier } from "./verifier.ts";

export interface AuthOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly directory: Directory;
  /** Domains of users of the machine. */
  readonly system: SystemDomains;
  /** Whether there is a user for a local part; Trouble when nobody knows now. */
  readonly systemUser: (local: string) => Promise<Existence>;
  /** How many readers there are. */
  readonly readers: number;
  /** ms a right password need not be verified again. */
  readonly remember: number;
  /** Mail for an extension goes into the folder of its name. */
  readonly folders: boolean;
}

/** What a peer may log in for; a thief of smtpd gets no tickets for mailboxes. */
const protocolsOf = { smtpd: ["smtp"], gate: ["pop3", "imap"] } as const;

/** RFC 5321 §4.5.1: mail for postmaster is always taken; where no user has it, whoever has the postmaster's of the server. */
const POSTMASTER = "postmaster";
const isPostmaster = (address: string, found: Existence = { kind: "unknown" }): boolean =>
  found.kind === "unknown" && foldLocal(unquoteLocal(splitAddress(address).local)) === POSTMASTER;

export class Auth {
  readonly #options: AuthOptions;
  readonly #tickets: Tickets;
  readonly #verifier: Verifier;
  readonly #lookups: Lookups;
  #readers: number;
  #system: SystemDomains;

  constructor(options: AuthOptions) {
    this.#options = options;
    this.#tickets = new Tickets(options.clock);
    this.#verifier = new Verifier(options);
    this.#lookups = new Lookups(options);
    this.#readers = options.readers;
    this.#system = options.system;
  }

  set readers(count: number) {
    this.#readers = count;
  }

  set system(domains: SystemDomains) {
    this.#system = domains;
  }

  set remember(ms: number) {
    this.#verifier.remember = ms;
  }

  set folders(yes: boolean) {
    this.#lookups.folders = yes;
  }

  /** The verbs of each peer: the table of who may ask what. */
  get verbs(): Readonly<Record<"smtpd" | "queue" | "local" | "gate" | "reader", readonly Handled[]>> {
    const { directory } = this.#options;
    const lookups = this.#lookups;
    const isOurs = (domain: string) => directory.isLocal(domain) || this.#system.has(domain);
    return {
      smtpd: [
        on(login, (question) => this.#login("smtpd", question)),
        on(recipient, ({ address }) => this.#recipient(address)),
        on(isLocal, ({ domain }) => ({ local: isOurs(domain) })),
      ],
      gate: [on(login, (question) => this.#login("gate", question))],
      reader: [
        on(redeem, ({ ticket }) => {
          const holder = this.#tickets.redeem(ticket);
          return holder ? { kind: "redeemed", ...holder } : { kind: "unknown" };
        }),
      ],
      local: [
        on(whereTo, ({ address }) => this.#whereTo(address)),
        on(usage, (use) => {
          lookups.used(use);
          return {};
        }),
      ],
      queue: [
        // RFC 5321 §4.5.1: the only address without a domain that smtpd takes is "postmaster", and that is here
        on(isLocal, ({ domain }) => ({ local: domain === "" || isOurs(domain) })),
      ],
    };
  }

  /** What the directory knows comes first, then users of the machine. */
  #recipient(address: string): RecipientAnswer | Promise<RecipientAnswer> {
    const answer = this.#lookups.recipient(address);
    if (answer.kind !== "unknown" && answer.kind !== "elsewhere") return answer;
    const user = this.#system.addressOf(address);
    if (!user) return answer;
    return this.#options
      .systemUser(user.local)
      .then((found) => (isPostmaster(address, found) ? this.#lookups.recipient(POSTMASTER) : found));
  }

  #whereTo(address: string): Destination | Promise<Destination> {
    const answer = this.#lookups.whereTo(address);
    const user = answer.kind === "unknown" ? this.#system.addressOf(address) : undefined;
    if (!user) return answer;
    const destination = { kind: "system", ...user } as const;
    if (!isPostmaster(address)) return destination;
    return this.#options
      .systemUser(user.local)
      .then((found) => (isPostmaster(address, found) ? this.#lookups.whereTo(POSTMASTER) : destination));
  }

  async #login(peer: keyof typeof protocolsOf, question: Login): Promise<LoginAnswer> {
    const { protocol, user, password, address: ip } = question;
    if (!(protocolsOf[peer] as readonly string[]).includes(protocol))
      throw new Trouble("log in", `${peer} has no business with ${protocol}`);
    const account = this.#options.directory.login(user);
    const right = await this.#verifier.right(account, password);
    // whoever does not know the password does not learn that the account is suspended
    const suspended = right && account?.suspended;
    const result = suspended ? "suspended" : right ? "welcome" : "denied";
    this.#options.log.event("auth_login", { protocol, user, ip, result });
    if (!right || !account || suspended) return { kind: "denied" };
    const mailbox = protocol !== "smtp";
    // an extension with a mailbox of its own is another one for its readers
    const own = account.separate ? account.name : account.address;
    const holder = { account: own, maildir: account.maildir };
    return {
      kind: "welcome",
      account: own,
      addresses: this.#options.directory.sendersOf(account.address),
      ticket: mailbox ? this.#tickets.issue(holder) : "",
      reader: mailbox ? crc32(own) % this.#readers : 0,
    };
  }
}

export const start: Start<"auth"> = async ({ slice, clock, log, answers, socketOf }) => {
  const directory = new Directory();
  directory.marks = slice.marks;
  const lspawn = new Caller({ path: socketOf("lspawn"), clock });
  const auth = new Auth({
    ...slice,
    clock,
    log,
    directory,
    system: new SystemDomains(slice.systemDomains),
    systemUser: (local) => lspawn.ask(systemUser, { local }),
  });
  const trouble = (text: string) => log.event("peer_garbage", { text });
  const answering = await Promise.all(
    Object.entries(auth.verbs).map(([peer, verbs]) => answerVerbs(answers(peer), verbs, { trouble })),
  );
  log.event("ready");
  return {
    reload: (next) => {
      auth.readers = next.readers;
      auth.remember = next.remember;
      auth.folders = next.folders;
      directory.marks = next.marks;
      auth.system = new SystemDomains(next.systemDomains);
      log.event("reloaded");
    },
    stop: async () => {
      log.event("stopping");
      for (const each of answering) each.close();
      lspawn.close();
      directory.close();
    },
  };
};
