// A connection from its first line in the log to its last, whatever is spoken on it.

import { codeOf, Trouble } from "#base/problem.ts";
import { type Connection, endTransaction } from "./state.ts";
import { tell } from "./witness.ts";

/** Serves a connection with `serve`, which says how it ended: "quit" when the client took its leave. Rejects only for our own bugs. */
export async function attend(connection: Connection, serve: () => Promise<string>): Promise<void> {
  const { id, stream, door, log, clock } = connection;
  const began = clock.monotonic();
  log.event("smtp_connect", { session: id, ip: stream.address, port: stream.port, listener: door.name });
  let reason = "broken";
  try {
    reason = await serve();
  } catch (thrown) {
    if (!(thrown instanceof Trouble)) throw thrown;
    reason = codeOf(thrown) === "timeout" ? "timeout" : "broken";
  } finally {
    endTransaction(connection.session);
    stream.end(reason === "quit");
    tell(connection);
    const { messages } = connection;
    const ms = Math.round(clock.monotonic() - began);
    log.event("smtp_disconnect", { session: id, reason, messages, ms });
  }
}
