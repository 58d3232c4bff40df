// auth: the only role that knows accounts. It answers each peer what that peer's work needs, and nothing else.

import { crc32 } from "node:zlib";
import type { Clock } from "#base/clock.ts";
import { Trouble } from "#base/problem.ts";
import type { Logger } from "#log/logger.ts";
import { Directory } from "#store/accounts/directory.ts";
import { SystemDomains } from "#store/accounts/systemdomains.ts";
import { answerVerbs, type Handled, on } from "#talk/answerer.ts";
import { Caller } from "#talk/caller.ts";
import { type Login, type LoginAnswer, login, redeem } from "#talk/login.ts";
import { type Destination, isLocal, type RecipientAnswer, recipient, whereTo } from "#talk/lookup.ts";
import { type Existence, systemUser } from "#talk/lspawn.ts";
import type { Start } from "../boot.ts";
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
}

/** What a peer may log in for; a thief of smtpd gets no tickets for mailboxes. */
const protocolsOf = { smtpd: ["smtp"], gate: ["pop3", "imap"] } as const;

export class Auth {
  readonly #options: AuthOptions;
  readonly #tickets: Tickets;
  readonly #verifier: Verifier;
  #readers: number;
  #system: SystemDomains;

  constructor(options: AuthOptions) {
    this.#options = options;
    this.#tickets = new Tickets(options.clock);
    this.#verifier = new Verifier(options);
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

  /** The verbs of each peer: the table of who may ask what. */
  get verbs(): Readonly<Record<"smtpd" | "queue" | "local" | "gate" | "reader", readonly Handled[]>> {
    const { directory } = this.#options;
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
        on(whereTo, ({ address }): Destination => {
          const found = directory.find(address);
          if (found.kind === "account")
            return { kind: "mailbox", account: found.account.address, maildir: found.account.maildir };
          const user = this.#system.addressOf(address);
          return user ? { kind: "system", ...user } : { kind: "unknown" };
        }),
      ],
      queue: [
        // RFC 5321 §4.5.1: the only address without a domain that smtpd takes is "postmaster", and that is here
        on(isLocal, ({ domain }) => ({ local: domain === "" || isOurs(domain) })),
      ],
    };
  }

  /** Accounts come first, then users of the machine. */
  #recipient(address: string): RecipientAnswer | Promise<RecipientAnswer> {
    const { directory, systemUser: ask } = this.#options;
    const { kind } = directory.find(address);
    if (kind === "account") return { kind: "deliverable" };
    const user = this.#system.addressOf(address);
    return user ? ask(user.local) : { kind };
  }

  async #login(peer: keyof typeof protocolsOf, question: Login): Promise<LoginAnswer> {
    const { protocol, user, password, address: ip } = question;
    if (!(protocolsOf[peer] as readonly string[]).includes(protocol))
      throw new Trouble("log in", `${peer} has no business with ${protocol}`);
    const account = this.#options.directory.login(user);
    const right = await this.#verifier.right(account, password);
    this.#options.log.event("auth_login", { protocol, user, ip, result: right ? "welcome" : "denied" });
    if (!right || !account) return { kind: "denied" };
    const mailbox = protocol !== "smtp";
    const holder = { account: account.address, maildir: account.maildir };
    return {
      kind: "welcome",
      account: account.address,
      addresses: [account.address],
      ticket: mailbox ? this.#tickets.issue(holder) : "",
      reader: mailbox ? crc32(account.address) % this.#readers : 0,
    };
  }
}

export const start: Start<"auth"> = async ({ slice, clock, log, answers, socketOf }) => {
  const directory = new Directory();
  const lspawn = new Caller({ path: socketOf("lspawn"), clock });
  const { readers, remember } = slice;
  const auth = new Auth({
    clock,
    log,
    directory,
    readers,
    remember,
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
