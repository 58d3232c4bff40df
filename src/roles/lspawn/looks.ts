// Whether an address of a system user has a .qmail file, found out with that user's rights: nobody else may look into his home.

import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { Trouble } from "#base/problem.ts";
import { codeAsUser } from "#sys/userchild.ts";
import { Remembered } from "#talk/remembered.ts";
import type { SystemUser } from "#wire/dotqmail/assign.ts";
import { candidatesFor } from "#wire/dotqmail/search.ts";

/** Ends with 0 when one of the files is there, with 1 when none is. */
const LOOK = 'cd -- "$1" || exit 9; shift; for name do if [ -f "$name" ]; then exit 0; fi; done; exit 1';

export class Looks {
  readonly #remembered: Remembered<boolean>;
  /** Questions by their keys: Remembered takes texts only. */
  readonly #asked = new Map<string, SystemUser>();
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(clock: Clock) {
    this.#remembered = new Remembered({
      clock,
      life: limits.lspawn.believed,
      entries: limits.lspawn.entries,
      ask: (key) => this.#ask(key),
      // its owner may make the file in the next moment
      fleeting: (there) => !there,
    });
  }

  /** Trouble when it cannot be known now. */
  hasFile(user: SystemUser): Promise<boolean> {
    const { uid, gid, home, dash, extension } = user;
    const key = JSON.stringify([uid, gid, home, dash, extension]);
    this.#asked.set(key, user);
    return this.#remembered.get(key).finally(() => this.#asked.delete(key));
  }

  async #ask(key: string): Promise<boolean> {
    const user = this.#asked.get(key);
    if (!user) throw new Trouble("look for .qmail", "Nobody asks any more");
    await this.#turn();
    try {
      const names = candidatesFor(user.dash, user.extension).map(({ name }) => name);
      const command = ["/bin/sh", "-c", LOOK, "sh", user.home, ...names];
      const code = await codeAsUser(user, command, limits.lspawn.look);
      if (code === 0 || code === 1) return code === 0;
      throw new Trouble("look for .qmail", `Cannot look into the home of "${user.user}"`);
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
    }
  }

  async #turn(): Promise<void> {
    if (this.#running >= limits.lspawn.looks) {
      if (this.#waiting.length >= limits.lspawn.looksWaiting)
        throw new Trouble("look for .qmail", "Too many questions wait");
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#running++;
  }
}
