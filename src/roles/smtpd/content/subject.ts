// What checkers are told of a message that begins, and the panel of those that see it.

import type { Connection, Transaction } from "../state.ts";
import type { Subject } from "./checker.ts";
import { Panel } from "./panel.ts";

/** Undefined: nobody looks at the mail of this listener. `header`: the parts of the header section. */
export async function panelFor(
  connection: Connection,
  transaction: Transaction,
  id: string,
  header: readonly Buffer[],
): Promise<Panel | undefined> {
  const { door, clock, log } = connection;
  if (door.checkers.length === 0) return undefined;
  const name = connection.client.name || (await connection.judge?.verifiedName()) || "";
  const subject = subjectOf(connection, transaction, { id, name, header: Buffer.concat(header) });
  return new Panel({ checkers: door.checkers, subject, clock, log });
}

function subjectOf(
  { id: session, door, client, stream, session: { hello, account } }: Connection,
  { sender, recipients }: Transaction,
  given: { readonly id: string; readonly name: string; readonly header: Buffer },
): Subject {
  return {
    session,
    id: given.id,
    hostname: door.hostname,
    listener: door.name,
    client: { address: client.address, port: client.port, name: given.name },
    hello: hello?.name ?? "",
    sender,
    recipients: [...recipients.keys()],
    user: account?.name,
    tls: stream.tls,
    header: given.header,
  };
}
