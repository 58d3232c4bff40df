// logger: writes what every role reports into log/<role>/. It trusts no line: each is stamped, bounded and one line.

import path from "node:path";
import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { formatLine, Logger } from "#log/logger.ts";
import { answerReports } from "#talk/report.ts";
import { formatTai64n } from "#wire/tai64.ts";
import type { Start } from "../boot.ts";
import { roles } from "../roles.ts";
import { type Keeping, LogFile } from "./file.ts";

/** Below the data directory. */
const LOG = "log";

/** What a line starts with when its role has stamped it: stamp, role, and the number of the process behind the first. */
const STAMPED = /^@[0-9a-f]{24} ([a-z]+)(?:\.\d{1,3})? /;
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]/g;

/** A line as it may be written, whatever was sent: with a stamp, no longer than the limit, without control characters. The socket says
 * who sent it: a line in another role's name stands behind the name of its sender. */
export function tidyLine(role: string, line: string, now: number): string {
  let tidy = STAMPED.exec(line)?.[1] === role ? line : `${formatTai64n(now)} ${role} ${line}`;
  // formatLine cuts at the limit and adds "…"
  if (tidy.length > limits.log.line + 1) tidy = tidy.slice(0, limits.log.line + 1);
  return CONTROL.test(tidy) ? tidy.replaceAll(CONTROLS, "?") : tidy;
}

/** The files of all roles, opened at their first line. */
export class LogFiles {
  readonly #clock: Clock;
  readonly #directory: string;
  readonly #files = new Map<string, LogFile>();
  #keeping: Keeping;

  constructor(clock: Clock, keeping: Keeping, directory: string = LOG) {
    this.#clock = clock;
    this.#keeping = keeping;
    this.#directory = directory;
  }

  set keeping(keeping: Keeping) {
    this.#keeping = keeping;
    for (const file of this.#files.values()) file.keeping = keeping;
  }

  take(role: string, line: string): void {
    let file = this.#files.get(role);
    if (!file) {
      file = new LogFile({
        directory: path.join(this.#directory, role),
        clock: this.#clock,
        keeping: this.#keeping,
        lost: (count) => formatLine(formatTai64n(this.#clock.now()), role, "lost_lines", { count }),
      });
      this.#files.set(role, file);
    }
    file.line(tidyLine(role, line, this.#clock.now()));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#files.values()].map((file) => file.close()));
  }
}

export const start: Start<"logger"> = async ({ slice, clock, answers }) => {
  const files = new LogFiles(clock, slice);
  const log = new Logger({
    role: "logger",
    clock,
    level: slice.log,
    sink: (line) => files.take("logger", line),
  });
  const answering = await Promise.all(
    roles.logger.answers.map((peer) =>
      answerReports(answers(peer), peer, (role, line) => files.take(role, line)),
    ),
  );
  log.event("ready");
  return {
    reload: (next) => {
      files.keeping = next;
      log.event("reloaded");
    },
    stop: async () => {
      log.event("stopping");
      for (const each of answering) each.close();
      await files.close();
    },
  };
};
