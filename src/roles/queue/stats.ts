// Stats: the queue counted by state, age, failure and destination.

import { AGES, type Stats } from "#talk/queuecontrol.ts";
import { splitAddress } from "#wire/envelope.ts";
import { classify } from "#wire/smtp/failure.ts";
import { stateOf } from "./describe.ts";
import type { Entry, RecipientEntry } from "./entries.ts";

/** Domains named in one answer. */
const NAMED = 500;

interface Domain {
  recipients: number;
  deferred: number;
  oldest: number;
}

/** Counts all messages that somebody waits for. */
export async function count(entries: AsyncIterable<Entry>, now: number): Promise<Stats> {
  const states = { held: 0, running: 0, deferred: 0, waiting: 0 };
  const ages = new Array<number>(AGES.length + 1).fill(0);
  const recipients = new Recipients();
  let messages = 0;
  let size = 0;
  let oldest = 0;
  for await (const entry of entries) {
    messages++;
    size += entry.size;
    oldest = oldest === 0 ? entry.arrived : Math.min(oldest, entry.arrived);
    states[stateOf(entry)]++;
    const bucket = AGES.findIndex((age) => now - entry.arrived <= age);
    const at = bucket < 0 ? AGES.length : bucket;
    ages[at] = (ages[at] ?? 0) + 1;
    for (const each of entry.recipients) if (each.state === "waiting") recipients.add(entry, each);
  }
  return { messages, size, oldest, states, ages, ...recipients.counted() };
}

class Recipients {
  readonly #failures = new Map<string, number>();
  readonly #domains = new Map<string, Domain>();

  add(entry: Entry, recipient: RecipientEntry): void {
    const tried = recipient.attempts > 0;
    const failure = tried ? classify(recipient) : "";
    this.#failures.set(failure, (this.#failures.get(failure) ?? 0) + 1);
    const name = splitAddress(recipient.address).domain;
    const domain = this.#domains.get(name) ?? { recipients: 0, deferred: 0, oldest: entry.arrived };
    this.#domains.set(name, domain);
    domain.recipients++;
    if (tried) domain.deferred++;
    domain.oldest = Math.min(domain.oldest, entry.arrived);
  }

  counted(): Pick<Stats, "failures" | "domains" | "others"> {
    const domains = [...this.#domains]
      .sort(([a, left], [b, right]) => right.recipients - left.recipients || (a < b ? -1 : 1))
      .map(([domain, counts]) => ({ domain, ...counts }));
    return {
      failures: [...this.#failures]
        .sort((a, b) => b[1] - a[1])
        .map(([failure, recipients]) => ({ failure, recipients })),
      domains: domains.slice(0, NAMED),
      others: Math.max(0, domains.length - NAMED),
    };
  }
}
