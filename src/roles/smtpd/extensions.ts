// THE table of extensions: what each door offers to whom, and what stands behind the keyword in the answer to EHLO. Parameters of MAIL and
// RCPT and the verbs that an extension brings are taken where it is offered, and nowhere else.

import { limits } from "#base/limits.ts";
import { ehlo } from "#wire/smtp/replies.ts";
import type { Reply } from "#wire/smtp/reply.ts";
import { formatDateTime } from "#wire/smtp/times.ts";
import { attributeNames } from "#wire/smtp/xclient.ts";
import type { Connection } from "./state.ts";

interface Extension {
  readonly offered: (connection: Connection) => boolean;
  /** What stands behind the keyword; "" for nothing. */
  readonly parameters?: (connection: Connection) => string;
}

const always = () => true;
const underTls = ({ stream }: Connection) => stream.tls !== undefined;
const canStartTls = ({ stream, door }: Connection) => stream.tls === undefined && door.tls !== undefined;
/** What users may ask for is nothing for strangers, and nothing is taken from users in clear (MAIL needs a login, a login needs TLS). */
const forUsers = ({ door, stream }: Connection) => door.class === "submission" && stream.tls !== undefined;
const forProxies = ({ door, stream }: Connection) => door.xclient.has(stream.address);

const table = {
  PIPELINING: { offered: always },
  SIZE: { offered: always, parameters: ({ door }) => String(door.maxSize) },
  "8BITMIME": { offered: always },
  SMTPUTF8: { offered: always },
  CHUNKING: { offered: always },
  BINARYMIME: { offered: always },
  ENHANCEDSTATUSCODES: { offered: always },
  DSN: { offered: always },
  // RFC 9422 §4
  LIMITS: {
    offered: always,
    parameters: ({ door }) => `MAILMAX=${door.messages} RCPTMAX=${door.maxRecipients}`,
  },
  STARTTLS: { offered: canStartTls },
  // RFC 8689 §2
  REQUIRETLS: { offered: underTls },
  // "AUTH=…" of old clients is not offered: those that need it speak no TLS
  AUTH: { offered: forUsers, parameters: () => "PLAIN LOGIN" },
  // RFC 4865 §3: the longest time, and the moment it ends
  FUTURERELEASE: {
    offered: forUsers,
    parameters: ({ clock }) => `${limits.smtp.hold / 1000} ${formatDateTime(clock.now() + limits.smtp.hold)}`,
  },
  DELIVERBY: { offered: forUsers },
  "MT-PRIORITY": { offered: forUsers },
  XCLIENT: { offered: forProxies, parameters: () => attributeNames },
  HELP: { offered: always },
} as const satisfies Record<string, Extension>;

export type Keyword = keyof typeof table;

const extensions: Readonly<Record<Keyword, Extension>> = table;

export const keywords: readonly string[] = Object.keys(extensions);

/** Whether an extension is offered to a client now. */
export const offers = (connection: Connection, keyword: Keyword): boolean =>
  extensions[keyword].offered(connection);

/** The answer to EHLO. */
export function offer(connection: Connection): Reply {
  const offered: string[] = [];
  for (const [keyword, extension] of Object.entries(extensions))
    if (extension.offered(connection)) offered.push(line(keyword, extension.parameters?.(connection)));
  return ehlo(connection.door.hostname, offered);
}

const line = (keyword: string, parameters = ""): string =>
  parameters === "" ? keyword : `${keyword} ${parameters}`;
