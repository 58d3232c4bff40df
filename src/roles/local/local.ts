// Local: one delivery after the other from the queue into Maildirs (docs/local.md). Where an address's mail goes, auth says.

import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { codeOf, messageOf } from "#base/problem.ts";
import { Turnstile } from "#base/turnstile.ts";
import type { Logger } from "#log/logger.ts";
import { type Dropped, fileHost, type Letter, type LetterBody, Mailbox } from "#store/maildir/deliver.ts";
import type { Disk } from "#sys/disk.ts";
import type { Delivered, Delivery } from "#talk/deliver.ts";
import type { Destination, Instructed } from "#talk/lookup.ts";
import type { SystemDelivery } from "#talk/lspawn.ts";
import { Remembered } from "#talk/remembered.ts";
import type { Outcome } from "#wire/envelope.ts";
import { asLines } from "#wire/message/binary.ts";
import { harmlessAddress } from "#wire/smtp/request.ts";
import { folderFor } from "./folder.ts";

import { followInstructions, type Hands } from "./instructed.ts";
import type { Bound, QuotaKeeper } from "./quota.ts";

import type { RejectsKeeper } from "./rejects.ts";
import { deliveredTo, isLooping, tracesOf } from "./trace.ts";

/** Mailboxes whose record of recent deliveries stays open. */
const OPEN_MAILBOXES = 500;
/** How long auth's answer for an address is believed. */
const WHERE_LIFE = 3000;
const WHERE_ENTRIES = 10_000;

export interface SpoolBody extends LetterBody {
  close(): Promise<void>;
}

export interface LocalOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Logger;
  readonly hostname: string;
  /** The body of a message; Trouble when it cannot be read. */
  readonly openBody: (place: Delivery["place"]) => Promise<SpoolBody>;
  /** For messages that were refused. */
  readonly rejects: Pick<RejectsKeeper, "keep" | "came">;
  readonly quotas: Pick<QuotaKeeper, "deliver">;
  /** How long mail waits for room in a mailbox, ms. */
  readonly fullWait: () => number;
  /** Trouble when auth is away. */
  readonly whereTo: (address: string) => Promise<Destination>;
  /** A message for a user of the machine (docs/dotqmail.md). Trouble when lspawn is away. */
  readonly toSystemUser: (delivery: SystemDelivery) => Promise<Outcome>;
  /** A program of an account. */
  readonly runProgram: Hands["runProgram"];
}

type Recipient = Delivery["recipients"][number];

/** Where a mailbox is, and what else is to be done with its mail. */
type Home = Omit<Extract<Destination, { kind: "mailbox" }>, "kind">;

export class Local {
  readonly #options: LocalOptions;
  readonly #mailboxes = new Map<string, Mailbox>();
  readonly #turnstile = new Turnstile(RECIPIENTS_AT_A_TIME);
  readonly #where: Remembered<Destination>;
  #host: string;

  constructor(options: LocalOptions) {
    this.#options = options;
    this.#host = fileHost(options.hostname);
    this.#where = new Remembered({
      clock: options.clock,
      life: WHERE_LIFE,
      entries: WHERE_ENTRIES,
      ask: options.whereTo,
      // and what may be long is not kept ten thousand times
      fleeting: ({ kind }) => kind !== "mailbox",
    });
  }

  set hostname(name: string) {
    this.#host = fileHost(name);
  }

  /** An outcome for each recipient; never rejects. */
  async deliver(delivery: Delivery): Promise<Delivered> {
    const { id, recipients } = delivery;
    let body: SpoolBody | undefined;
    try {
      body = await this.#options.openBody(delivery.place);
      const traces = await tracesOf(body);
      const parcel = { delivery, traces, body: await asLines(body, delivery.body) };
      return { outcomes: bounded(await this.#each(parcel)) };
    } catch (thrown) {
      this.#options.log.event("trouble", { id, text: messageOf(thrown) });
      const outcome = deferred("4.3.0", "The message cannot be read from the spool now");
      return { outcomes: recipients.map(({ index }) => ({ index, outcome })) };
    } finally {
      await body?.close().catch(() => {
        // it was only read from
      });
    }
  }

  async #each(parcel: Parcel): Promise<Delivered["outcomes"]> {
    return Promise.all(
      parcel.delivery.recipients.map(async (recipient) => ({
        index: recipient.index,
        outcome: await this.#one(parcel, recipient),
      })),
    );
  }

  async #one(parcel: Parcel, recipient: Recipient): Promise<Outcome> {
    const { log } = this.#options;
    const { address } = recipient;
    const { id, sender, rejected } = parcel.delivery;
    let answer: Destination;
    try {
      answer = await this.#where.get(address);
    } catch (thrown) {
      log.event("trouble", { id, to: address, text: messageOf(thrown) });
      return deferred("4.3.0", "The directory of users cannot be asked now");
    }
    // final is only what auth says
    if (answer.kind === "unknown") return failed("5.1.1", `There is no user <${address}> here`);
    // only who has a mailbox has Rejects
    if (rejected && answer.kind !== "mailbox" && answer.kind !== "instructions")
      return { kind: "delivered", by: "not kept" };
    if (answer.kind === "system") return this.#toSystemUser(parcel.delivery, recipient, answer);
    if (!rejected && isLooping(parcel.traces, address))
      return failed("5.4.6", "This message is looping: it already has my Delivered-To line.");
    if (answer.kind === "forward") {
      // nobody owns what nobody sent: a bounce for a list must not bounce to its owner
      const owner = sender === "" ? undefined : answer.owner;
      return forwarded(`on its way to ${counted(answer.to.length)}`, address, { to: answer.to, owner });
    }
    if (answer.kind === "denied") {
      const { code, text } = answer.why;
      return code.startsWith("5.") ? failed(code, text) : deferred(code, text);
    }
    // without a word it is the mailbox; programs may take long, so only what they leave passes the turnstile
    if (answer.kind === "instructions" && answer.text !== "" && !rejected)
      return this.#follow(parcel, recipient, answer);
    const home = answer;
    return this.#turnstile.pass(() => this.#drop(parcel, recipient, home));
  }

  async #follow(parcel: Parcel, { index, address }: Recipient, answer: Instructed): Promise<Outcome> {
    const { log, clock, runProgram, rejects } = this.#options;
    const { delivery, body } = parcel;
    const { id, arrived, sender } = delivery;
    let full = false;
    const keep = async (folder: string | undefined, copy: number) => {
      try {
        const base = `${Math.floor(arrived / 1000)}.${fileHost(id)}.${index}${copy === 0 ? "" : `_${copy}`}.${this.#host}`;
        const home = folder === undefined ? answer : { ...answer, folder };
        const letter = { base, head: headOf(sender, address), body };
        const dropped = await this.#turnstile.pass(() => this.#put(parcel, home, letter));
        full = dropped.full;
        if (full) return "The mailbox is full (#4.2.2)";
        log.event("local_delivered", {
          id,
          to: address,
          file: dropped.file,
          again: dropped.again || undefined,
        });
        await rejects.came(answer.maildir, { id, address }, body);
        return undefined;
      } catch (thrown) {
        log.event("trouble", { id, to: address, text: messageOf(thrown) });
        return "Temporary error on maildir delivery. (#4.3.0)";
      }
    };
    const outcome = await followInstructions(
      { delivery, index, address, answer },
      { clock, log, keep, runProgram },
    );
    return full ? this.#full(arrived) : outcome;
  }

  async #drop(parcel: Parcel, { index, address }: Recipient, home: Home): Promise<Outcome> {
    const { log, rejects } = this.#options;
    const { delivery, body } = parcel;
    const { id, sender, arrived, rejected } = delivery;
    const head = headOf(sender, address);
    try {
      if (rejected)
        return {
          kind: "delivered",
          by: await rejects.keep(home.maildir, { id, address, arrived, head, body }),
        };
      const base = `${Math.floor(arrived / 1000)}.${fileHost(id)}.${index}.${this.#host}`;
      const dropped = await this.#put(parcel, home, { base, head, body });
      if (dropped.full) return this.#full(arrived);
      log.event("local_delivered", {
        id,
        to: address,
        file: dropped.file,
        again: dropped.again || undefined,
      });
      await rejects.came(home.maildir, { id, address }, body);
      return behind(dropped.again, address, home.copies);
    } catch (thrown) {
      log.event("trouble", { id, to: address, text: messageOf(thrown) });
      return noRoom.has(codeOf(thrown) ?? "")
        ? deferred("4.3.1", "There is no room for the message now")
        : deferred("4.3.0", "The mailbox cannot be used now");
    }
  }

  async #toSystemUser(
    { id, arrived, sender, body, again, place }: Delivery,
    { index, address }: Recipient,
    { local, host }: Extract<Destination, { kind: "system" }>,
  ): Promise<Outcome> {
    try {
      const letter = { id, arrived, sender, body, again, place, index, local, host };
      return await this.#options.toSystemUser(letter);
    } catch (thrown) {
      this.#options.log.event("trouble", { id, to: address, text: messageOf(thrown) });
      return deferred("4.3.0", "Deliveries for users of the machine cannot be made now");
    }
  }

  async #put({ delivery }: Parcel, home: Home, letter: Letter): Promise<Dropped> {
    const { disk, clock, quotas } = this.#options;
    const mailbox = this.#mailbox(await folderFor(disk, home.maildir, home.folder));
    const bounds = boundsOf(home);
    if (bounds.length === 0) return mailbox.deliver(letter, delivery.again, clock.now());
    return quotas.deliver(bounds, (mayAdd) =>
      mailbox.deliver({ ...letter, mayAdd }, delivery.again, clock.now()),
    );
  }

  /** It was taken when there was room, or when nobody knew: it may wait a while for people to make some. */
  #full(arrived: number): Outcome {
    const text = "The mailbox is full";
    const { fullWait, clock } = this.#options;
    return clock.now() - arrived >= fullWait() ? failed("5.2.2", text) : deferred("4.2.2", text);
  }

  /** The mailboxes used last stay at hand; the order of a Map is the order of use. */
  #mailbox(maildir: string): Mailbox {
    const found = this.#mailboxes.get(maildir) ?? new Mailbox(this.#options.disk, maildir);
    this.#mailboxes.delete(maildir);
    this.#mailboxes.set(maildir, found);
    if (this.#mailboxes.size > OPEN_MAILBOXES) this.#forgetOldest(found);
    return found;
  }

  #forgetOldest(wanted: Mailbox): void {
    for (const [maildir, mailbox] of this.#mailboxes) {
      if (mailbox.busy || mailbox === wanted) continue;
      this.#mailboxes.delete(maildir);
      return void mailbox.close();
    }
  }
}

/** Of all messages together: each has some files open. */
const RECIPIENTS_AT_A_TIME = 150;

/** One message under way to its recipients. */
interface Parcel {
  readonly delivery: Delivery;
  /** Its Delivered-To lines. */
  readonly traces: readonly string[];
  readonly body: LetterBody;
}

const noRoom: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT"]);

/** RFC 5321 §4.4: the final delivery records the reverse path. Delivered-To as qmail and Postfix write it. */
function headOf(sender: string, recipient: string): Buffer {
  return Buffer.from(`Return-Path: <${harmlessAddress(sender)}>\n${deliveredTo(recipient)}\n`);
}

/** The quotas that hold for a mailbox: its own, and what it shares with others. */
const boundsOf = ({ maildir, quota, shared }: Home): readonly Bound[] => [
  ...(quota ? [{ at: maildir, quota, many: false }] : []),
  ...(shared ? [{ at: shared.directory, quota: shared, many: true }] : []),
];

/** What came into a mailbox; asked again after a crash it finds what it did, so one copy stays here and one goes on. */
function behind(again: boolean, recipient: string, copies: readonly string[] = []): Outcome {
  const by = again ? "in the mailbox (already there)" : "in the mailbox";
  if (copies.length === 0) return { kind: "delivered", by };
  return forwarded(`${by}, and on its way to ${counted(copies.length)}`, recipient, { to: copies });
}

const counted = (addresses: number): string =>
  addresses === 1 ? "another address" : `${addresses} addresses`;

/** The message goes on with one more line, as qmail-local sends it on. */
function forwarded(
  by: string,
  recipient: string,
  { to, owner }: { readonly to: readonly string[]; readonly owner?: string | undefined },
): Outcome {
  const letter = { recipients: to, prefix: `${deliveredTo(recipient)}\r\n` };
  return { kind: "forwarded", by, letter: owner === undefined ? letter : { ...letter, sender: owner } };
}

/** What all the letters say together must fit into one frame: those that do not go in the next attempt. */
function bounded(outcomes: Delivered["outcomes"]): Delivered["outcomes"] {
  let room = limits.forward.answer;
  return outcomes.map(({ index, outcome }) => {
    if (outcome.kind !== "forwarded") return { index, outcome };
    room -= Buffer.byteLength(JSON.stringify(outcome));
    return { index, outcome: room < 0 ? deferred("4.3.0", "Too many addresses at once") : outcome };
  });
}

const deferred = (code: string, text: string): Outcome => ({ kind: "deferred", why: { code, text } });
const failed = (code: string, text: string): Outcome => ({ kind: "failed", why: { code, text } });
