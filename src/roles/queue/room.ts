// Room: whether the disk has room for more mail; asked at most once a second.

import type { Clock } from "#base/clock.ts";
import type { Disk } from "#sys/disk.ts";

const BELIEVED = 1000;

export class Room {
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #at: string;
  readonly #floor: () => number;
  #checked = Number.NEGATIVE_INFINITY;
  #free = Number.POSITIVE_INFINITY;

  /** `floor`: bytes that stay free. */
  constructor(
    where: { readonly disk: Disk; readonly clock: Clock; readonly at: string },
    floor: () => number,
  ) {
    this.#disk = where.disk;
    this.#clock = where.clock;
    this.#at = where.at;
    this.#floor = floor;
  }

  /** True when there is no room, as far as we know; asks again in the background. */
  get full(): boolean {
    if (this.#clock.monotonic() - this.#checked >= BELIEVED) void this.check();
    return this.#free < this.#floor();
  }

  async check(): Promise<void> {
    this.#checked = this.#clock.monotonic();
    try {
      this.#free = await this.#disk.free(this.#at);
    } catch {
      // what cannot be asked is found out when it is written
      this.#free = Number.POSITIVE_INFINITY;
    }
  }
}
