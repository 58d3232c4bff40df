// The policies of other domains (MTA-STS) that outlive a restart: one file `sts/<domain>` each, JSON. They are replaced without a sync,
// so that the role that fetches them keeps the permission model: what a power cut takes is fetched again.

import { limits } from "#base/limits.ts";
import { integer, list, oneOf, readJson, record, type Shaped, text } from "#base/shape.ts";
import { type Disk, readWhole, replaceLoosely } from "#sys/disk.ts";

const keptShape = record({
  /** Of the TXT record that it was fetched for. */
  id: text(32),
  /** ms since 1970. */
  fetched: integer(0),
  mode: oneOf("enforce", "testing", "none"),
  /** Seconds. */
  maxAge: integer(0),
  mx: list(text(255), limits.sts.patterns),
});

export type KeptPolicy = Shaped<typeof keptShape>;

const NAME = /^(?=.{1,253}$)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/;

/** Whether a policy of this domain can be kept: names of files are made of it. */
export const isDomain = (domain: string): boolean => NAME.test(domain);

/** When a policy is over (RFC 8461 §3.2), ms since 1970. */
export const overAt = ({ fetched, maxAge }: KeptPolicy): number => fetched + maxAge * 1000;

export class PolicyFiles {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #kept: Map<string, KeptPolicy>;

  private constructor(disk: Disk, directory: string, kept: Map<string, KeptPolicy>) {
    this.#disk = disk;
    this.#directory = directory;
    this.#kept = kept;
  }

  /** Reads all that are there; what cannot be read is removed. */
  static async open(disk: Disk, directory: string): Promise<PolicyFiles> {
    await disk.makeDirectory(directory, 0o700);
    const kept = new Map<string, KeptPolicy>();
    for (const name of await disk.list(directory)) {
      const file = `${directory}/${name}`;
      const bytes = await readWhole(disk, file, limits.sts.policyBytes);
      const found = isDomain(name) && bytes ? readJson(keptShape, bytes) : undefined;
      if (found?.ok) kept.set(name, found.value);
      else await disk.remove(file);
    }
    return new PolicyFiles(disk, directory, kept);
  }

  get(domain: string): KeptPolicy | undefined {
    return this.#kept.get(domain);
  }

  entries(): readonly (readonly [domain: string, policy: KeptPolicy])[] {
    return [...this.#kept];
  }

  /** Keeps a policy, at first in memory. Trouble when the disk does not take it. */
  async put(domain: string, policy: KeptPolicy): Promise<void> {
    this.#kept.delete(domain);
    this.#kept.set(domain, policy);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > limits.sts.domains && oldest !== undefined) await this.remove(oldest);
    const file = `${this.#directory}/${domain}`;
    // no domain's name, so that what a crash leaves is removed
    const beside = `${this.#directory}/+${domain}`;
    await replaceLoosely(this.#disk, file, beside, Buffer.from(JSON.stringify(policy)));
  }

  async remove(domain: string): Promise<void> {
    this.#kept.delete(domain);
    await this.#disk.remove(`${this.#directory}/${domain}`);
  }
}
