// Slices: what each role is told of the configuration, and nothing more. The supervisor cuts them, the role reads its own.

import { flag, integer, list, oneOf, record, type Shape, type Shaped, text } from "#base/shape.ts";

const logSlice = { log: oneOf("debug", "info") };

/** PEM texts, read by the supervisor as root, so that no role needs the files. */
const tlsSlice = record({ certificate: text(), key: text() });
export type TlsSlice = Shaped<typeof tlsSlice>;

export const loggerSlice = record({
  ...logSlice,
  /** A log file is rotated at this many bytes; this many old ones are kept. */
  size: integer(4096),
  files: integer(1),
});

/** A port is a class with its own rules: mx takes mail for us from anybody, submission from our users after AUTH. */
const smtpListener = record({
  /** Key of the descriptor in `listeners`. */
  name: text(64),
  class: oneOf("mx", "submission"),
  /** TLS from the first byte (465) instead of STARTTLS. */
  implicitTls: flag,
});

/** The session rules. */
const policySlice = record({
  observe: list(text(64)),
  off: list(text(64)),
  rejectScore: integer(1),
  suspiciousScore: integer(1),
  spared: list(text(64)),
  lists: list(text(300)),
});

export type PolicySlice = Shaped<typeof policySlice>;

export const smtpdSlice = record({
  ...logSlice,
  hostname: text(255),
  listeners: list(smtpListener),
  tls: tlsSlice,
  maxSize: integer(65_536),
  maxRecipients: integer(100),
  /** Text at the end of refusals. */
  contact: text(200),
  /** Networks that may use XCLIENT. */
  xclient: list(text(64)),
  connections: integer(1),
  connectionsPerAddress: integer(1),
});

export const authSlice = record({
  ...logSlice,
  readers: integer(1),
  /** ms a right password need not be verified again; 0: never. */
  remember: integer(0),
});

export const queueSlice = record({
  ...logSlice,
  hostname: text(255),
  /** ms */
  lifetime: integer(1000),
  localConcurrency: integer(1),
  remoteConcurrency: integer(1),
  /** Bytes that stay free on the disk. */
  freeSpace: integer(0),
});

export const localSlice = record({ ...logSlice, hostname: text(255) });

export const remoteSlice = record({
  ...logSlice,
  /** Name in EHLO. */
  hostname: text(255),
  /** Resolvers "address:port"; empty: the system's. */
  dnsServers: list(text(64)),
  /** The port of mail exchangers; 25 outside tests and the demonstration. */
  port: integer(1, 65_535),
  /** Local address of outgoing connections, "" for the system's choice. */
  sourceAddress: text(64),
  /** Every domain goes to this host[:port] instead of its exchangers; "" for none. */
  smarthost: text(255),
});

const gateListener = record({
  name: text(64),
  protocol: oneOf("imap", "pop3"),
  implicitTls: flag,
});

export const gateSlice = record({
  ...logSlice,
  hostname: text(255),
  listeners: list(gateListener),
  tls: tlsSlice,
  connections: integer(1),
  connectionsPerAddress: integer(1),
});

export const readerSlice = record({ ...logSlice, hostname: text(255) });

/** The slice of each role that has one. */
export const slices = {
  logger: loggerSlice,
  smtpd: smtpdSlice,
  auth: authSlice,
  queue: queueSlice,
  local: localSlice,
  remote: remoteSlice,
  gate: gateSlice,
  reader: readerSlice,
} satisfies Record<string, Shape<unknown>>;

export type SlicedRole = keyof typeof slices;
export type SliceOf<R extends SlicedRole> = Shaped<(typeof slices)[R]>;
