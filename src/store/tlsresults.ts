// Results of TLS to other servers until they are reported: one file `tlsrpt/<day>` (JSON) for each day in UTC. Written every few minutes and
// without a sync: what a crash takes is some counts. Bounded in domains, in policies of each, and in details of those.

import { limits } from "#base/limits.ts";
import { integer, list, oneOf, readJson, record, type Shape, type Shaped, text } from "#base/shape.ts";
import { type Disk, readWhole, replaceLoosely } from "#sys/disk.ts";
import type { PolicyResults } from "#wire/message/tlsreport.ts";
import {
  type FailureDetail,
  policyFoundShape,
  resultTypes,
  type TlsResult,
} from "#wire/message/tlsresult.ts";

const resultsShape = record({
  policy: policyFoundShape,
  successes: integer(),
  failures: integer(),
  details: list(
    record({ result: oneOf(...resultTypes), host: text(255), address: text(255), count: integer(1) }),
    limits.tlsrpt.details,
  ),
});

const domainsShape = list(
  record({ domain: text(255), results: list(resultsShape, limits.tlsrpt.policies) }),
  limits.tlsrpt.domains,
);

type Counted = { -readonly [K in keyof Omit<PolicyResults, "details">]: PolicyResults[K] } & {
  details: FailureDetail[];
};

/** "2026-01-31" */
export const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

const DAY = /^\d{4}-\d\d-\d\d$/;

export class TlsResults {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #days = new Map<string, Map<string, Counted[]>>();
  readonly #changed = new Set<string>();

  private constructor(disk: Disk, directory: string) {
    this.#disk = disk;
    this.#directory = directory;
  }

  /** Reads the days that are there; what cannot be read is removed. */
  static async open(disk: Disk, directory: string): Promise<TlsResults> {
    await disk.makeDirectory(directory, 0o700);
    const results = new TlsResults(disk, directory);
    for (const name of await disk.list(directory)) {
      const file = `${directory}/${name}`;
      const bytes = DAY.test(name) ? await readWhole(disk, file, limits.tlsrpt.fileBytes) : undefined;
      const found = bytes && readJson(domainsShape as Shape<Shaped<typeof domainsShape>>, bytes);
      if (found?.ok) {
        const domains = found.value.map(
          (each) => [each.domain, each.results as unknown as Counted[]] as const,
        );
        results.#days.set(name, new Map(domains));
      } else await disk.remove(file);
    }
    return results;
  }

  /** Counts a connection on the day of `now`; what is beyond the bounds is not counted. */
  add({ domain, policy, failure }: TlsResult, now: number): void {
    const day = dayOf(now);
    const domains = this.#days.get(day) ?? new Map<string, Counted[]>();
    this.#days.set(day, domains);
    const policies = domains.get(domain) ?? [];
    if (!domains.has(domain) && domains.size >= limits.tlsrpt.domains) return;
    domains.set(domain, policies);
    const key = JSON.stringify(policy);
    let counted = policies.find((each) => JSON.stringify(each.policy) === key);
    if (!counted) {
      if (policies.length >= limits.tlsrpt.policies) return;
      counted = { policy, successes: 0, failures: 0, details: [] };
      policies.push(counted);
    }
    this.#changed.add(day);
    if (!failure) counted.successes++;
    else {
      counted.failures++;
      addDetail(counted.details, failure);
    }
  }

  /** The days before that of `now`, oldest first. */
  daysBefore(now: number): readonly string[] {
    return [...this.#days.keys()].filter((day) => day < dayOf(now)).sort();
  }

  of(day: string): ReadonlyMap<string, readonly PolicyResults[]> {
    return this.#days.get(day) ?? new Map();
  }

  /** Writes what has changed. Trouble when the disk does not take it. */
  async flush(): Promise<void> {
    for (const day of [...this.#changed]) {
      this.#changed.delete(day);
      const domains = [...(this.#days.get(day) ?? [])].map(([domain, results]) => ({ domain, results }));
      const file = `${this.#directory}/${day}`;
      // no day's name, so that what a crash leaves is removed
      await replaceLoosely(this.#disk, file, `${file}+`, Buffer.from(JSON.stringify(domains)));
    }
  }

  /** A domain of a day is done with; it is not reported again. */
  forget(day: string, domain: string): void {
    if (this.#days.get(day)?.delete(domain)) this.#changed.add(day);
  }

  async drop(day: string): Promise<void> {
    this.#days.delete(day);
    this.#changed.delete(day);
    await this.#disk.remove(`${this.#directory}/${day}`);
  }
}

function addDetail(details: FailureDetail[], failure: Omit<FailureDetail, "count">): void {
  const at = details.findIndex(
    ({ result, host, address }) =>
      result === failure.result && host === failure.host && address === failure.address,
  );
  const known = details[at];
  if (known) details[at] = { ...known, count: known.count + 1 };
  else if (details.length < limits.tlsrpt.details) details.push({ ...failure, count: 1 });
}
