// The answering side of a conversation: JSON questions from a table of verbs. What cannot be answered gets SORRY; what cannot be
// read closes the link it came on.

import { messageOf } from "#base/problem.ts";
import { readJson } from "#base/shape.ts";
import { type Answering, answer } from "#sys/local.ts";
import { SORRY, type Verb } from "./caller.ts";
import { type Frame, Link } from "./frame.ts";

export interface Handled {
  readonly verb: Verb<unknown, unknown>;
  readonly run: (question: unknown) => Promise<unknown> | unknown;
}

/** Binds a verb to what answers it; keeps the types together. */
export function on<Q, A>(verb: Verb<Q, A>, run: (question: Q) => Promise<A> | A): Handled {
  return { verb: verb as Verb<unknown, unknown>, run: run as Handled["run"] };
}

export interface AnswererEvents {
  /** A peer sent garbage or its question failed; for the log. */
  trouble(message: string): void;
}

/** Answers on an inherited descriptor (or a path) with these verbs until closed. */
export function answerVerbs(
  at: number | string,
  handled: readonly Handled[],
  events: AnswererEvents,
): Promise<Answering> {
  const table = new Map(handled.map((each) => [each.verb.kind, each]));
  return answer(at, (socket) => {
    const link: Link = new Link(socket, {
      frame: (frame) => void answerFrame(link, table, frame, events),
      closed: () => {
        // the peer went away; its unanswered questions have nobody to go to
      },
    });
  });
}

async function answerFrame(
  link: Link,
  table: ReadonlyMap<number, Handled>,
  frame: Frame,
  events: AnswererEvents,
): Promise<void> {
  const handled = table.get(frame.kind);
  const question = handled && readJson(handled.verb.question, frame.payload);
  if (!handled || !question?.ok) {
    const why = `question of kind ${frame.kind}: ${question && !question.ok ? question.error : "unknown"}`;
    events.trouble(`A peer sent garbage: ${why}`);
    return link.fail(why);
  }
  try {
    link.send(frame.kind, frame.stream, JSON.stringify(await handled.run(question.value)));
  } catch (thrown) {
    events.trouble(`Cannot answer question ${frame.kind}: ${messageOf(thrown)}`);
    link.send(SORRY, frame.stream, "The role that knows cannot answer now");
  }
}
