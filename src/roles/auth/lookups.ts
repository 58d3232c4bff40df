// Lookups: what auth answers about an address: whether mail for it may come, and where it goes (docs/directory.md).

import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { domainMail } from "#store/accounts/address.ts";
import type { Directory, Found, Quota, Reached } from "#store/accounts/directory.ts";
import type { Destination, RecipientAnswer, Use } from "#talk/lookup.ts";
import { splitAddress } from "#wire/envelope.ts";

const denied = (code: string, text: string) => ({ kind: "denied", why: { code, text } }) as const;

/** Mail waits at its sender's server until the administrator decides. */
const suspended = denied("4.2.1", "This mailbox is suspended");
const looping = denied("5.4.6", "The aliases of this address lead back to it");
const nobody = denied("5.2.4", "This list has no members");

/** What is wrong with an address that exists; nothing as a rule. */
function flawOf(found: Found): ReturnType<typeof denied> | undefined {
  if (found.kind === "looping") return looping;
  if (found.kind === "list") return found.to.length === 0 ? nobody : undefined;
  return found.kind === "account" && found.account.suspended ? suspended : undefined;
}

export interface LookupsOptions {
  readonly clock: Clock;
  readonly directory: Directory;
  /** Mail for an extension goes into the folder of its name. */
  readonly folders: boolean;
}

interface Room {
  readonly room?: number;
  readonly most?: number;
}

const sharedBy = (address: string): string => domainMail(splitAddress(address).domain);

interface Told extends Use {
  readonly until: number;
}

export class Lookups {
  readonly #options: LookupsOptions;
  /** What lies in mailboxes with a quota, as local says; in the order in which it was told. */
  readonly #told = new Map<string, Told>();
  folders: boolean;

  constructor(options: LookupsOptions) {
    this.#options = options;
    this.folders = options.folders;
  }

  /** Whether mail for an address may come. */
  recipient(address: string): RecipientAnswer {
    const found = this.#options.directory.find(address);
    const flaw = flawOf(found);
    if (flaw) return flaw;
    if (found.kind === "unknown" || found.kind === "elsewhere") return { kind: found.kind };
    if (found.kind !== "account" || !keeps(found)) return { kind: "deliverable" };
    return { kind: "deliverable", ...this.#room(found) };
  }

  /** Where mail for an address goes. */
  whereTo(address: string): Destination {
    const found = this.#options.directory.find(address);
    const flaw = flawOf(found);
    if (flaw) return flaw;
    switch (found.kind) {
      case "account":
        return this.#home(found);
      case "list":
        return {
          kind: "forward",
          to: found.to,
          ...(found.owner === undefined ? {} : { owner: found.owner }),
        };
      default:
        return { kind: "unknown" };
    }
  }

  /** Local says what lies in a mailbox; believed for a while, for people take things out. */
  used(use: Use): void {
    const now = this.#options.clock.monotonic();
    this.#told.delete(use.at);
    for (const [at, { until }] of this.#told) {
      if (until > now && this.#told.size < limits.directory.usage.entries) break;
      this.#told.delete(at);
    }
    this.#told.set(use.at, { ...use, until: now + limits.directory.usage.life });
  }

  /** What fits, by its own quota and by that of its domain, as far as it is known. */
  #room({ account, maildir }: Reached): Room {
    const rooms = [
      this.#roomAt(maildir, account.quota),
      this.#roomAt(sharedBy(account.address), account.total),
    ];
    const least = (name: keyof Room) => {
      const known = rooms.flatMap((room) => room[name] ?? []);
      return known.length === 0 ? {} : { [name]: Math.min(...known) };
    };
    return { ...least("most"), ...least("room") };
  }

  #roomAt(at: string, quota: Quota | undefined): Room {
    if (!quota) return {};
    const most = quota.bytes > 0 ? { most: quota.bytes } : {};
    const told = this.#told.get(at);
    if (!told || told.until <= this.#options.clock.monotonic()) return most;
    if (quota.messages > 0 && told.messages >= quota.messages) return { ...most, room: 0 };
    return quota.bytes > 0 ? { ...most, room: Math.max(0, quota.bytes - told.bytes) } : most;
  }

  #home({ account, maildir, ext, instructions }: Reached): Destination {
    const folder = this.folders && ext !== "" && maildir === account.maildir ? { folder: ext } : {};
    const quota = account.quota ? { quota: account.quota } : {};
    const shared = account.total
      ? { shared: { directory: sharedBy(account.address), ...account.total } }
      : {};
    const home = { account: account.address, maildir, ...folder, ...quota, ...shared };
    if (instructions) {
      const { text, name, rest, owner } = instructions;
      return {
        kind: "instructions",
        ...home,
        text,
        name,
        ext,
        owner,
        ...(rest === undefined ? {} : { rest }),
      };
    }
    if (account.forwards.length === 0) return { kind: "mailbox", ...home };
    if (!account.keep) return { kind: "forward", to: account.forwards };
    return { kind: "mailbox", ...home, copies: account.forwards };
  }
}

/** Some of its mail lies here, as far as we can know: what instructions do is theirs. */
const keeps = ({ account, instructions }: Reached): boolean =>
  instructions === undefined && (account.keep || account.forwards.length === 0);
