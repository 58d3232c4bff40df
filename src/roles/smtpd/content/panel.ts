// Panel: all checkers of one message. They are asked at the same time; the slowest one sets the pace. The first in the configuration that
// refuses has the word; what the others add is put together.

import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import type { Logger } from "#log/logger.ts";
import { formatField } from "#wire/message/field.ts";
import { judged, unchecked } from "#wire/smtp/replies.ts";
import type { Reply } from "#wire/smtp/reply.ts";
import type { Checker, Subject } from "./checker.ts";
import { Examination, type Outcome } from "./examination.ts";

export interface Conclusion {
  /** Undefined: the message is welcome. */
  readonly refusal: Reply | undefined;
  /** Whole fields for the front of the message. */
  readonly fields: string;
  /** All have looked, and whatever they hold against the message may be a mistake (docs/rejects.md). */
  readonly plausible: boolean;
}

export interface PanelOptions {
  readonly checkers: readonly Checker[];
  readonly subject: Subject;
  readonly clock: Clock;
  readonly log: Logger;
}

export class Panel {
  readonly #options: PanelOptions;
  readonly #examinations: readonly Examination[];
  readonly #logged = new Set<Examination>();

  /** The checkers are asked from now on. */
  constructor(options: PanelOptions) {
    this.#options = options;
    this.#examinations = options.checkers.map(
      (checker) => new Examination(checker, options.subject, options.clock),
    );
  }

  /** Hands on the next parts of the body; a promise: no more before it resolves. Never rejects. */
  write(parts: readonly Buffer[]): Promise<unknown> | undefined {
    const busy = this.#examinations.map((each) => each.write(parts)).filter((each) => each !== undefined);
    return busy.length === 0 ? undefined : Promise.all(busy);
  }

  /** A refusal that is known already; it stands, whatever the others would say. */
  refusalSoFar(): Reply | undefined {
    for (const each of this.#examinations) {
      const reply = each.outcome && refusalOf(each.checker, each.outcome);
      if (!reply) continue;
      this.#record(each);
      return reply;
    }
    return undefined;
  }

  /** The message is whole. Never rejects. */
  async finish(): Promise<Conclusion> {
    await Promise.all(this.#examinations.map((each) => each.finish()));
    for (const each of this.#examinations) this.#record(each);
    const plausible = this.#examinations.every(({ outcome }) => isPlausible(outcome));
    return { refusal: this.refusalSoFar(), fields: this.#fields(), plausible };
  }

  /** The message is refused, or its client has gone. */
  abort(): void {
    for (const each of this.#examinations) each.abort();
  }

  #fields(): string {
    let fields = "";
    for (const { checker, outcome } of this.#examinations) {
      if (outcome?.kind !== "clean" || checker.mode === "observe") continue;
      for (const [name, value] of outcome.fields) {
        const field = formatField(name, value);
        if (fields.length + field.length <= limits.queue.front) fields += field;
      }
    }
    return fields;
  }

  #record(examination: Examination): void {
    const { checker, outcome, waited } = examination;
    if (!outcome || this.#logged.has(examination)) return;
    this.#logged.add(examination);
    const { session, id } = this.#options.subject;
    this.#options.log.event("smtp_content", {
      session,
      id,
      checker: checker.name,
      verdict: outcome.kind,
      ...(outcome.kind === "refuse" ? { code: outcome.code } : {}),
      mode: checker.mode,
      evidence: outcome.kind === "unknown" ? outcome.why : outcome.evidence,
      ms: Math.round(waited),
    });
  }
}

/** What only observes counts, too: nobody shall find malware in a folder of his. */
const isPlausible = (outcome: Outcome | undefined): boolean =>
  outcome?.kind === "clean" ||
  (outcome?.kind === "refuse" && outcome.plausible === true && outcome.code >= 500);

function refusalOf({ name, mode, onError }: Checker, outcome: Outcome): Reply | undefined {
  if (mode === "observe") return undefined;
  if (outcome.kind === "refuse") return judged({ ...outcome, rule: name });
  return outcome.kind === "unknown" && onError === "defer" ? unchecked(name) : undefined;
}
