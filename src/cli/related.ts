// Which lines belong to one message or session: those that name it, those of the session a message came in, those of the messages a
// session brought, and the bounces that came of them.

const field = (name: string): RegExp => new RegExp(`(?:^| )${name}=("(?:[^"\\\\]|\\\\.)*"|\\S+)`);
const patterns = { id: field("id"), session: field("session"), bounce: field("bounce") } as const;

/** The value of a field, "" when the line has none. */
function named(line: string, name: keyof typeof patterns): string {
  return patterns[name].exec(line)?.[1] ?? "";
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
    const id = named(line, "id");
    const session = named(line, "session");
    if (id === "") return;
    // the session of a message brings its own lines, not the other messages it carried
    if (session !== "" && this.#ids.has(id)) this.#sessions.add(session);
    if (session === this.#wanted) this.#ids.add(id);
    const bounce = named(line, "bounce");
    if (bounce !== "" && this.#ids.has(id)) this.#ids.add(bounce);
  }

  has(line: string): boolean {
    const id = named(line, "id");
    return id === "" ? this.#sessions.has(named(line, "session")) : this.#ids.has(id);
  }
}
