// The four kinds of failure: a peer's mistake is a value, an outcome is a union, the world's failure is Trouble, our bug is an invariant.

/** The world's failure (disk full, DNS down, peer gone). Always temporary; caught at the border of one unit of work. */
export class Trouble extends Error {
  override readonly name = "Trouble";
  /** What was being done: "open", "connect", "sync" … */
  readonly operation: string;
  /** The system's code ("ENOSPC", "ECONNREFUSED") or one of ours ("timeout", "closed"). */
  readonly code: string;

  constructor(operation: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.operation = operation;
    this.code = codeOf(cause) ?? "trouble";
  }

  /** Wraps whatever was thrown; a Trouble stays as it is. */
  static from(operation: string, cause: unknown): Trouble {
    if (cause instanceof Trouble) return cause;
    return new Trouble(operation, `Cannot ${operation}: ${messageOf(cause)}`, cause);
  }

  /** A wait that took too long. */
  static timeout(operation: string, ms: number): Trouble {
    return new Trouble(operation, `Cannot ${operation}: no answer within ${ms} ms`, { code: "timeout" });
  }
}

/** The system's error code of anything thrown, when it has one. */
export function codeOf(thrown: unknown): string | undefined {
  if (typeof thrown !== "object" || thrown === null || !("code" in thrown)) return undefined;
  return typeof thrown.code === "string" ? thrown.code : undefined;
}

/** The message of anything thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** Our bug: never caught; the role exits, the supervisor restarts it, the spool is crash-safe. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`Bug: ${message}`);
}
