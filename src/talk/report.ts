// report: every role sends its log lines to the logger: frames of some lines each, with a newline between them. Lines wait, bounded,
// while the logger is away; what does not fit is counted and the count is reported. A dead logger stops nobody.

import type { Clock, Timer } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { type Answering, answer } from "#sys/local.ts";
import { Caller } from "./caller.ts";
import { Link } from "./frame.ts";

const LINES = 1;

/** Lines of this time (ms) leave together: to wake the logger costs more than to write a line. */
const GATHER = 10;

/** Characters that leave at once; a frame has at most one line more. */
const FULL = 16 * 1024;

/** The asking side: takes finished lines (with stamp, without newline). */
export class Reporter {
  readonly #caller: Caller;
  readonly #clock: Clock;
  #kept: string[] = [];
  #size = 0;
  #lost = 0;
  #timer: Timer | undefined;
  /** The logger reads more slowly than we write: lines wait here instead of in the socket. */
  #slow = false;

  constructor(path: string, clock: Clock) {
    this.#clock = clock;
    this.#caller = new Caller({
      path,
      clock,
      linked: () => this.#flush(),
      lost: () => {
        this.#slow = false;
        this.#caller.keepUp();
      },
    });
    this.#caller.keepUp();
  }

  line(line: string): void {
    if (this.#size + line.length > limits.log.buffered) {
      this.#lost++;
      return;
    }
    this.#kept.push(line);
    this.#size += line.length;
    if (this.#size >= FULL) this.#flush();
    else this.#timer ??= this.#clock.after(GATHER, () => this.#flush());
  }

  /** Sends what is kept and hangs up. */
  async close(): Promise<void> {
    this.#flush();
    await this.#caller.link?.drained();
    this.#caller.close();
  }

  /** Sends what is kept; without a link it goes with the next one, while the logger is slow when it has read what it has. */
  #flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const { link } = this.#caller;
    if (!link || this.#slow) return;
    while (this.#kept.length > 0 && !this.#slow) this.#send(link, this.#take());
    if (this.#lost === 0 || this.#slow) return;
    this.#send(link, `lost_lines count=${this.#lost}`);
    this.#lost = 0;
  }

  /** The lines of one frame. */
  #take(): string {
    let count = 0;
    let size = 0;
    for (const line of this.#kept) {
      if (size >= FULL) break;
      size += line.length;
      count++;
    }
    this.#size -= size;
    return this.#kept.splice(0, count).join("\n");
  }

  #send(link: Link, lines: string): void {
    if (link.send(LINES, 0, lines)) return;
    this.#slow = true;
    void link.drained().then(() => {
      this.#slow = false;
      this.#flush();
    });
  }
}

/** The logger's side: `take` gets the role the socket belongs to and one line of it. */
export function answerReports(
  at: number | string,
  role: string,
  take: (role: string, line: string) => void,
): Promise<Answering> {
  return answer(at, (socket) => {
    const link: Link = new Link(socket, {
      frame: (frame) => {
        if (frame.kind !== LINES) return link.fail(`frame of kind ${frame.kind}`);
        for (const line of frame.payload.toString("utf8").split("\n")) take(role, line);
      },
      closed: () => {
        // a role that stops hangs up
      },
    });
  });
}
