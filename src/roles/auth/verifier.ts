// Verifies passwords: few at a time, because each costs 19 MiB and 50 ms; and remembers for a while which ones were right, because
// IMAP clients connect again and again. What is remembered is a keyed digest that is worth nothing outside this process.

import { createHmac, randomBytes } from "node:crypto";
import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { Trouble } from "#base/problem.ts";
import { dummyHash, verifyPassword } from "#store/accounts/credentials.ts";
import type { Account } from "#store/accounts/directory.ts";

/** The digest binds the stored hash too, so that a changed password is forgotten by itself. */
const SEPARATOR = "\0";

export interface VerifierOptions {
  readonly clock: Clock;
  /** ms a right password need not be verified again. */
  readonly remember: number;
  /** Tests count calls here. */
  readonly verify?: typeof verifyPassword;
}

export class Verifier {
  readonly #clock: Clock;
  readonly #verify: typeof verifyPassword;
  readonly #key = randomBytes(32);
  readonly #dummy = dummyHash();
  /** Digest → until when it is good, in the order of expiry. */
  readonly #known = new Map<string, number>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  /** From now on; what was remembered before keeps its time. */
  remember: number;

  constructor({ clock, remember, verify = verifyPassword }: VerifierOptions) {
    this.#clock = clock;
    this.remember = remember;
    this.#verify = verify;
  }

  /** Is this the password of the account? As long for no account as for a wrong password. Trouble when too many wait already. */
  async right(
    account: Pick<Account, "address" | "password"> | undefined,
    password: string,
  ): Promise<boolean> {
    const stored = account?.password ?? this.#dummy;
    const digest = this.#digest(account?.address ?? "", password, stored);
    const until = this.#known.get(digest);
    if (until !== undefined && until > this.#clock.monotonic()) return true;
    await this.#enter();
    try {
      const same = await this.#verify(password, stored);
      if (!same || account === undefined) return false;
      this.#keep(digest);
      return true;
    } finally {
      this.#leave();
    }
  }

  #digest(address: string, password: string, stored: string): string {
    // none of the others can hold a NUL, so the parts cannot be shifted against each other
    const text = [address, stored, password].join(SEPARATOR);
    return createHmac("sha256", this.#key).update(text).digest("base64");
  }

  #keep(digest: string): void {
    if (this.remember === 0) return;
    const now = this.#clock.monotonic();
    this.#known.delete(digest);
    for (const [known, until] of this.#known) {
      if (until > now && this.#known.size < limits.login.remembered) break;
      this.#known.delete(known);
    }
    this.#known.set(digest, now + this.remember);
  }

  #enter(): Promise<void> | undefined {
    if (this.#running < limits.login.verifications) {
      this.#running++;
      return undefined;
    }
    if (this.#waiting.length >= limits.login.verificationsWaiting)
      throw new Trouble("verify", "Too many passwords wait to be verified");
    // whoever leaves hands its place over
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#running--;
  }
}
