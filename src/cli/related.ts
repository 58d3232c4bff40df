// Which lines belong to one message or session: those that name it, those of the session a message came in, those of the messages a
// session brought, and the bounces that came of them.

import { fieldsOf } from "#log/line.ts";

interface Names {
  readonly id: string;
  readonly session: string;
  readonly bounce: string;
}

/** The names in a line, "" for those it has not. */
function namesIn(line: string): Names {
  const fields = fieldsOf(line);
  const named = (name: keyof Names) => fields.get(name) ?? "";
  return { id: named("id"), session: named("session"), bounce: named("bounce") };
}

export class Related {
  readonly #ids: Set<string>;
  readonly #sessions: Set<string>;
  readonly #wanted: string;

  constructor(wanted: string) {
    this.#wanted = wanted;
    this.#ids = new Set([wanted]);
    this.#sessions = new Set([wanted]);
  }

  /** Learns from a line what belongs together; lines in their order, all before the first `has`, or each just before it. */
  learn(line: string): void {
    const { id, session, bounce } = namesIn(line);
    if (id === "") return;
    // the session of a message brings its own lines, not the other messages it carried
    if (session !== "" && this.#ids.has(id)) this.#sessions.add(session);
    if (session === this.#wanted) this.#ids.add(id);
    if (bounce !== "" && this.#ids.has(id)) this.#ids.add(bounce);
  }

  has(line: string): boolean {
    const { id, session } = namesIn(line);
    return id === "" ? this.#sessions.has(session) : this.#ids.has(id);
  }
}
