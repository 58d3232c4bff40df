// Slices: what each role is told of the configuration, and nothing more. The supervisor cuts them, the role reads its own.

import { flag, integer, list, oneOf, record, type Shape, type Shaped, text } from "#base/shape.ts";

const logSlice = { log: oneOf("debug", "info") };

/** PEM texts, read by the supervisor as root, so that no role needs the files. */
const certificate = record({
  certificate: text(),
  key: text(),
  /** DNS names in lower case that it is for, "*.example.org" among them. */
  names: list(text(255)),
});
export type CertificateSlice = Shaped<typeof certificate>;

/** The first one is shown when no name fits; none at all: no TLS. */
const certificates = list(certificate);

/** How a listener speaks TLS: not at all, when asked, from the first byte. */
const tls = oneOf("none", "starttls", "implicit");

/** Bounds of the connections of one listener. */
const bounds = record({
  /** On this listener alone. */
  connections: integer(1),
  /** Counted on all listeners of the role together. */
  perAddress: integer(1),
  perNetwork: integer(1),
  /** New ones a minute; 0: any number. */
  ratePerAddress: integer(0),
  ratePerNetwork: integer(0),
});
export type BoundsSlice = Shaped<typeof bounds>;

const acceptSlice = {
  hostname: text(255),
  certificates,
  /** Connections at a time on all listeners. */
  connections: integer(1),
  /** Networks whose rates, and connections for each network, are not bounded. */
  exempt: list(text(64)),
};

/** What every listener has. */
const listener = {
  name: text(64),
  /** Keys of its descriptors in `listeners`. */
  sockets: list(text(64)),
  tls,
  /** Networks of the proxies that say who the client is. */
  proxy: list(text(64)),
  bounds,
};

export const loggerSlice = record({
  ...logSlice,
  /** A log file is rotated at this many bytes; this many old ones are kept. */
  size: integer(4096),
  files: integer(1),
});

/** A listener is a class with its own rules: mx takes mail for us from anybody, submission mail for anybody from our users after
 * AUTH, lan mail for anybody from its networks; qmtp and qmqp are as mx and lan, by other protocols. */
const smtpListener = record({
  ...listener,
  class: oneOf("mx", "submission", "lan", "qmtp", "qmqp"),
  /** lan and qmqp: whom it serves. */
  networks: list(text(64)),
  /** PEM text of the authorities for client certificates; "": none are asked for. */
  clientCa: text(),
  /** mx: what of the session rules may be otherwise here. */
  rules: record({
    observe: list(text(64)),
    off: list(text(64)),
    order: list(text(64)),
    rejectScore: integer(1),
    suspiciousScore: integer(1),
  }),
  maxSize: integer(65_536),
  maxRecipients: integer(100),
  headerBytes: integer(65_536),
  headerFields: integer(1),
  hops: integer(100),
  commandLine: integer(512),
  /** For each connection. */
  messages: integer(1),
  errors: integer(1),
  /** ms */
  commandTimeout: integer(1000),
  bodyTimeout: integer(1000),
  sessionTime: integer(1000),
});
export type SmtpListener = Shaped<typeof smtpListener>;

/** The session rules. */
const policySlice = record({
  observe: list(text(64)),
  off: list(text(64)),
  order: list(text(64)),
  deferFailed: list(text(64)),
  rejectScore: integer(1),
  suspiciousScore: integer(1),
  spared: list(text(64)),
  lists: list(text(300)),
  /** Addresses that nobody ever gave away, in lower case. */
  traps: list(text(320)),
  /** ms that a client waits for the greeting. */
  greetDelay: integer(0),
  /** What is refused for its points goes into Rejects. */
  rejects: flag,
});

export type PolicySlice = Shaped<typeof policySlice>;

/** A program that looks at messages before they are taken. */
const content = record({
  name: text(64),
  kind: oneOf("milter", "rspamd", "clamav"),
  /** "unix:/path", "address:port". */
  address: text(200),
  /** ms */
  timeout: integer(100),
  onError: oneOf("accept", "defer"),
  mode: oneOf("enforce", "observe"),
  /** Of the listeners whose mail it sees. */
  classes: list(oneOf("mx", "submission", "lan")),
});
export type ContentSlice = Shaped<typeof content>;

export const smtpdSlice = record({
  ...logSlice,
  ...acceptSlice,
  listeners: list(smtpListener),
  /** Text at the end of refusals. */
  contact: text(200),
  /** Networks that may use XCLIENT. */
  xclient: list(text(64)),
  policy: policySlice,
  content: list(content),
  /** Resolvers "address:port"; empty: the system's. */
  dnsServers: list(text(64)),
  /** Hosts and ".suffixes" that are not ours and for which mail is taken from anybody. */
  relayHosts: list(text(255)),
  /** Domains of which user%host@domain is user@host. */
  percentHack: list(text(255)),
  /** The domain of recipients without one. */
  bareHost: text(255),
});

export const authSlice = record({
  ...logSlice,
  readers: integer(1),
  /** ms a right password need not be verified again; 0: never. */
  remember: integer(0),
  /** Signs between the names of accounts and extensions. */
  marks: text(8),
  /** Mail for an extension goes into the folder of its name. */
  folders: flag,
  /** Domains whose local parts are users of the machine: what is put in front of them, or "". */
  systemDomains: list(record({ domain: text(255), prepend: text(64) }), 10_000),
});

export const lspawnSlice = record({
  ...logSlice,
  hostname: text(255),
  /** Completes addresses that .qmail files name. */
  domain: text(255),
  assign: text(4096),
  passwd: text(4096),
  alias: text(255),
  /** Instructions for those who have none. */
  otherwise: text(65_536),
  workers: integer(1),
  /** ms */
  idle: integer(1),
  time: integer(1),
  /** User numbers under which programs of accounts run; none: they do not. */
  programs: list(integer(1), 100),
  /** Of a program; cpu in seconds. */
  bounds: record({ memory: integer(1), processes: integer(1), fileSize: integer(1), cpu: integer(1) }),
});

export const ledgerSlice = record({
  ...logSlice,
  /** Session records: days and bytes kept. */
  days: integer(1),
  size: integer(1),
  /** ms */
  greylistDelay: integer(0),
  greylistWindow: integer(1000),
  /** How long the first automatic ban lasts, ms; 0: there are none. */
  ban: integer(0),
});

export const queueSlice = record({
  ...logSlice,
  /** Address of reports on TLS, the only sender whose mail is taken from tlspolicy; "": none. */
  reporter: text(320),
  hostname: text(255),
  /** ms */
  lifetime: integer(1000),
  /** 0: none. */
  localConcurrency: integer(0),
  remoteConcurrency: integer(0),
  destinationConcurrency: integer(1),
  destinationStart: integer(1),
  /** Bytes that stay free on the disk. */
  freeSpace: integer(0),
  /** Completes the addresses of messages that are dropped. */
  dropDomain: text(255),
  /** Completes hosts without a dot, and those that end in "+". */
  dropDefaultDomain: text(255),
  dropPlusDomain: text(255),
  /** Bytes of one of them. */
  dropSize: integer(1),
  /** Domains of which user%host@domain is user@host. */
  percentHack: list(text(255)),
});

export const localSlice = record({
  ...logSlice,
  hostname: text(255),
  /** What a folder Rejects keeps: ms (0: nothing), messages, bytes. */
  rejects: record({ time: integer(0), messages: integer(1), size: integer(1) }),
  /** ms that mail waits for room in a mailbox that is full. */
  fullWait: integer(0),
});

/** A way of its own for some mail. */
const route = record({
  /** "example.org", ".example.org", "*"; empty: any. */
  recipients: list(text(300)),
  /** "ann@example.org", domains, "<>"; empty: any. */
  senders: list(text(600)),
  /** "host", "host:port", "[address]:port", "unix:/path"; "": the exchangers. */
  host: text(300),
  protocol: oneOf("smtp", "lmtp"),
  tls: oneOf("none", "may", "require", "verify"),
  /** "": no login. */
  user: text(1000),
  password: text(1000),
  hello: text(255),
  sourceAddress: text(64),
});
export type RouteSlice = Shaped<typeof route>;

export const remoteSlice = record({
  ...logSlice,
  /** Name in EHLO. */
  hostname: text(255),
  /** Resolvers "address:port"; empty: the system's. */
  dnsServers: list(text(64)),
  /** Networks of those that are believed about DNSSEC. */
  dnsTrusted: list(text(64)),
  /** The port of mail exchangers; 25 outside tests and the demonstration. */
  port: integer(1, 65_535),
  /** Local address of outgoing connections, "" for the system's choice. */
  sourceAddress: text(64),
  /** Every domain goes to this host[:port] instead of its exchangers; "" for none. */
  smarthost: text(255),
  /** The first that fits comes before all of these. */
  routes: list(route),
  /** Address of reports on TLS; "": nothing is collected. */
  reporter: text(320),
  /** MTA-STS policies are asked for. */
  sts: flag,
  /** PEM text of the authorities that are believed about servers; "": the public ones. */
  authorities: text(),
});

export const tlspolicySlice = record({
  ...logSlice,
  hostname: text(255),
  /** Address of reports on TLS; "": there are none. */
  reporter: text(320),
  dnsServers: list(text(64)),
  /** Where policies are fetched; 443 outside tests. */
  port: integer(1, 65_535),
  /** PEM text of the authorities that are believed about servers; "": the public ones. */
  authorities: text(),
});

const gateListener = record({ ...listener, protocol: oneOf("imap", "pop3") });

export const gateSlice = record({ ...logSlice, ...acceptSlice, listeners: list(gateListener) });

export const readerSlice = record({ ...logSlice, hostname: text(255) });

/** The slice of each role that has one. */
export const slices = {
  logger: loggerSlice,
  smtpd: smtpdSlice,
  auth: authSlice,
  lspawn: lspawnSlice,
  ledger: ledgerSlice,
  queue: queueSlice,
  local: localSlice,
  remote: remoteSlice,
  tlspolicy: tlspolicySlice,
  gate: gateSlice,
  reader: readerSlice,
} satisfies Record<string, Shape<unknown>>;

export type SlicedRole = keyof typeof slices;
export type SliceOf<R extends SlicedRole> = Shaped<(typeof slices)[R]>;
