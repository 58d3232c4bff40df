// report: every role sends its log lines to the logger. Lines wait, bounded, while the logger is away; what does not fit is
// counted and the count is reported. A dead logger stops nobody.

import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { type Answering, answer } from "#sys/local.ts";
import { Caller } from "./caller.ts";
import { Link } from "./frame.ts";

const LINE = 1;

/** The asking side: takes finished lines (with stamp, without newline). */
export class Reporter {
  readonly #caller: Caller;
  #kept: string[] = [];
  #size = 0;
  #lost = 0;
  /** The logger reads more slowly than we write: lines wait here instead of in the socket. */
  #slow = false;

  constructor(path: string, clock: Clock) {
    this.#caller = new Caller({
      path,
      clock,
      linked: (link) => this.#flush(link),
      lost: () => this.#caller.keepUp(),
    });
    this.#caller.keepUp();
  }

  line(line: string): void {
    const link = this.#caller.link;
    if (link && !this.#slow) return this.#send(link, line);
    if (this.#size + line.length > limits.log.buffered) {
      this.#lost++;
      return;
    }
    this.#kept.push(line);
    this.#size += line.length;
  }

  /** Sends what is kept and hangs up. */
  async close(): Promise<void> {
    await this.#caller.link?.drained();
    this.#caller.close();
  }

  #send(link: Link, line: string): void {
    if (link.send(LINE, 0, line)) return;
    this.#slow = true;
    void link.drained().then(() => this.#flush(link));
  }

  #flush(link: Link): void {
    this.#slow = false;
    const kept = this.#kept;
    this.#kept = [];
    this.#size = 0;
    for (const line of kept) this.#send(link, line);
    if (this.#lost > 0) this.#send(link, `lost_lines count=${this.#lost}`);
    this.#lost = 0;
  }
}

/** The logger's side: `take` gets the role the socket belongs to and its line. */
export function answerReports(
  at: number | string,
  role: string,
  take: (role: string, line: string) => void,
): Promise<Answering> {
  return answer(at, (socket) => {
    const link: Link = new Link(socket, {
      frame: (frame) => {
        if (frame.kind !== LINE) return link.fail(`frame of kind ${frame.kind}`);
        take(role, frame.payload.toString("utf8"));
      },
      closed: () => {
        // a role that stops hangs up
      },
    });
  });
}
