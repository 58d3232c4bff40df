// Blocks that may stand any number of times in kenro.toml: [[listener]] with rules of its own, [[content]] for programs that look at
// messages, [[certificate]] for more names.

import { z } from "zod";
import { limits } from "#base/limits.ts";
import { listenerPolicy, perClient, smtpRules } from "./rules.ts";
import {
  type BlockSetting,
  count,
  duration,
  endpoint,
  hostname,
  ip,
  networks,
  nexthop,
  place,
  type Setting,
} from "./values.ts";

export interface Block {
  readonly meaning: string;
  /** An example for kenro.toml. */
  readonly example: readonly string[];
  readonly settings: Readonly<Record<string, BlockSetting>>;
}

/** The classes of a [[listener]]. */
export const listenerClasses = ["mx", "submission", "lan", "qmtp", "qmqp", "pop3", "imap"] as const;

/** The kinds of a [[content]], and the listeners that it may be for. */
const contentKinds = ["milter", "rspamd", "clamav"] as const;
const contentClasses = ["mx", "submission", "lan"] as const;

const domainPattern = z
  .string()
  .regex(/^(?:\*|\.?[^\s@.*]+(?:\.[^\s@.*]+)*)$/, 'expected "example.org", ".example.org" or "*"');

const senderPattern = z
  .string()
  .regex(
    /^(?:<>|\*|\.?[^\s@.*]+(?:\.[^\s@.*]+)*|\S+@[^\s@*]+)$/,
    'expected an address, a domain, ".example.org" or "<>"',
  );

const file = z.string().min(1, "expected the name of a file");

/** Settings of a section as settings of a block, which may be left out. */
function inherited<const S extends Readonly<Record<string, Setting>>>(settings: S, from: string) {
  const entries = Object.entries(settings).map(([name, setting]) => [
    name,
    { ...setting, standard: undefined, otherwise: `as in ${from}` },
  ]);
  return Object.fromEntries(entries) as {
    readonly [N in keyof S]: Omit<S[N], "standard"> & {
      readonly standard: undefined;
      readonly otherwise: string;
    };
  };
}

export const blocks = {
  listener: {
    meaning:
      "More listeners, each with rules of its own. `class` says what it is: mx, submission, lan, qmtp and qmqp take mail, pop3 and imap let people read it.",
    example: [
      'name = "printers"',
      'class = "lan"',
      'addresses = ["192.168.1.2:25"]',
      'networks = ["192.168.1.0/24"]',
      'max_size = "20M"',
    ],
    settings: {
      name: {
        type: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'expected a short name such as "printers"'),
        standard: undefined,
        meaning: "Its name in the log: lower-case letters, digits and hyphens.",
        seenBy: ["supervisor", "smtpd", "gate"],
      },
      class: {
        type: z.enum(listenerClasses),
        standard: undefined,
        meaning:
          '"mx": mail for us from anybody. "submission": mail for anybody after a login. "lan": mail for anybody from `networks`, without a login. "qmtp", "qmqp": as mx and lan, by the protocols of qmail (docs/qmtp.md). "pop3", "imap": reading mail.',
        seenBy: ["supervisor", "smtpd", "gate"],
      },
      addresses: {
        type: z.array(endpoint).min(1, "expected at least one address"),
        standard: undefined,
        meaning: "Where it listens: addresses with ports.",
        seenBy: ["supervisor"],
      },
      tls: {
        type: z.enum(["none", "starttls", "implicit"]),
        standard: "starttls",
        meaning:
          '"starttls": offered. "implicit": from the first byte. "none": not at all, which "submission" does not allow. qmtp and qmqp have no STARTTLS.',
        seenBy: ["smtpd", "gate"],
      },
      networks: {
        type: networks,
        standard: [],
        meaning:
          "lan and qmqp: the clients it serves, such as 192.168.1.0/24; all others are sent away. qmqp without: this machine.",
        seenBy: ["smtpd"],
      },
      proxy: {
        type: networks,
        standard: [],
        meaning:
          "Proxies whose connections must begin with the PROXY protocol (v1 or v2), which says who the client is. All other clients are served as usual.",
        seenBy: ["smtpd", "gate"],
      },
      client_ca: {
        type: z.string(),
        standard: "",
        meaning:
          'submission: PEM file with the authorities whose client certificates are taken in place of a password (AUTH EXTERNAL); "" asks for none.',
        seenBy: ["supervisor"],
      },
      connections: {
        type: count(1, 1_000_000),
        standard: undefined,
        otherwise: "only the limit of all listeners",
        meaning: "Connections at a time on this listener, for each process.",
        seenBy: ["smtpd", "gate"],
      },
      ...inherited(perClient("smtpd, gate", limits.smtp), "[smtp] or [gate]"),
      ...inherited(smtpRules, "[smtp]"),
      ...inherited(listenerPolicy, "[policy]"),
    },
  },
  content: {
    meaning:
      "Programs that look at a message before it is taken, while its client waits (docs/content.md): milters, rspamd, ClamAV. All are asked at once; the first one here that refuses has the word.",
    example: ['name = "clamav"', 'kind = "clamav"', 'address = "unix:/run/clamav/clamd.ctl"'],
    settings: {
      name: {
        type: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'expected a short name such as "clamav"'),
        standard: undefined,
        meaning:
          "Its name in the log and at the end of its refusals: lower-case letters, digits and hyphens.",
        seenBy: ["smtpd"],
      },
      kind: {
        type: z.enum(contentKinds),
        standard: undefined,
        meaning:
          '"milter": the protocol of sendmail and Postfix. "rspamd": its HTTP (the worker "normal"). "clamav": clamd, INSTREAM.',
        seenBy: ["smtpd"],
      },
      address: {
        type: place,
        standard: undefined,
        meaning: 'Where it listens: "unix:/run/clamav/clamd.ctl", "127.0.0.1:11333".',
        seenBy: ["smtpd"],
      },
      timeout: {
        type: duration.pipe(z.int().min(100, "expected at least 100 ms").max(300_000, "expected at most 5m")),
        standard: "1m",
        meaning:
          "How long a message may wait for it, all waits together; the time that the client takes does not count.",
        seenBy: ["smtpd"],
      },
      on_error: {
        type: z.enum(["accept", "defer"]),
        standard: "defer",
        meaning:
          'What becomes of a message that it cannot judge (it is away, too slow, broken): "accept" takes it unseen, "defer" answers 451.',
        seenBy: ["smtpd"],
      },
      mode: {
        type: z.enum(["enforce", "observe"]),
        standard: "enforce",
        meaning: '"observe": what it says is only written down (`smtp_content` in the log).',
        seenBy: ["smtpd"],
      },
      classes: {
        type: z.array(z.enum(contentClasses)).min(1, "expected at least one class of listeners"),
        standard: ["mx"],
        meaning:
          'Classes of listeners whose mail it sees: "mx" from other servers, "submission" and "lan" from your own. qmtp counts as mx, qmqp as lan.',
        seenBy: ["smtpd"],
      },
    },
  },
  route: {
    meaning:
      "Ways of their own for some mail to other servers (docs/remote.md); the first one that fits is taken, else the smarthost, else the exchangers in DNS.",
    example: [
      'recipients = ["example.net", ".example.net"]',
      'host = "relay.example.com:587"',
      'tls = "verify"',
      'user = "us"',
      'password_file = "secrets/relay"',
    ],
    settings: {
      recipients: {
        type: z.array(domainPattern),
        standard: [],
        meaning:
          'Domains of recipients: "example.org" itself, ".example.org" for all below it, "*" for any. An empty list is any.',
        seenBy: ["remote"],
      },
      senders: {
        type: z.array(senderPattern),
        standard: [],
        meaning: 'Senders: "ann@example.org", domains as above, "<>" for reports. An empty list is any.',
        seenBy: ["remote"],
      },
      host: {
        type: nexthop,
        standard: "",
        meaning:
          'Where such mail goes: "host", "host:port", "[address]:port"; with lmtp also "unix:/path/to/socket". "": to the exchangers in DNS.',
        seenBy: ["remote"],
      },
      protocol: {
        type: z.enum(["smtp", "lmtp"]),
        standard: "smtp",
        meaning: '"lmtp" is for a delivery agent, which answers for each recipient (RFC 2033).',
        seenBy: ["remote"],
      },
      tls: {
        type: z.enum(["none", "may", "require", "verify"]),
        standard: "may",
        meaning:
          '"none": never. "may": when it works, and as DANE and MTA-STS demand. "require": no mail without. "verify": and only to a server whose certificate is for `host`, or, without `host`, for the domain of the recipients.',
        seenBy: ["remote"],
      },
      user: {
        type: z.string().regex(/^[^\0\r\n]*$/, "expected one line"),
        standard: "",
        meaning:
          'Name to log in with (AUTH PLAIN or LOGIN); "" for none. It takes `tls` "require" or "verify", unless the host is this machine.',
        seenBy: ["remote"],
      },
      password_file: {
        type: z.string(),
        standard: "",
        meaning:
          "File whose first line is the password; relative to this directory. Read by the supervisor, at the start and at `kenro reload`; nobody else need be able to read it.",
        seenBy: ["supervisor"],
      },
      hello: {
        type: hostname,
        standard: undefined,
        otherwise: "`hostname`",
        meaning: "Our name in EHLO.",
        seenBy: ["remote"],
      },
      source_address: {
        type: ip,
        standard: undefined,
        otherwise: "as in [remote]",
        meaning: "Address that connections come from.",
        seenBy: ["remote"],
      },
    },
  },
  certificate: {
    meaning:
      "More certificates: a client that asks for a name (SNI) is shown the first one that has it among its subjectAltNames; `*.example.org` holds for one label.",
    example: ['certificate = "tls/other.pem"', 'key = "tls/other.key"'],
    settings: {
      certificate: {
        type: file,
        standard: undefined,
        meaning: "PEM file with the certificate and its chain; relative to this directory.",
        seenBy: ["supervisor"],
      },
      key: {
        type: file,
        standard: undefined,
        meaning: "PEM file with its private key.",
        seenBy: ["supervisor"],
      },
    },
  },
} as const satisfies Record<string, Block>;

export type BlockName = keyof typeof blocks;

type ValueOf<S extends BlockSetting> = z.output<S["type"]>;
type BlockOf<S extends Readonly<Record<string, BlockSetting>>> = {
  readonly [N in keyof S]: S[N] extends { readonly otherwise: string }
    ? ValueOf<S[N]> | undefined
    : ValueOf<S[N]>;
};

/** Every block of the configuration, in its order. */
export type Blocks = { readonly [B in BlockName]: readonly BlockOf<(typeof blocks)[B]["settings"]>[] };

function typeOf({ type, standard, otherwise }: BlockSetting): z.ZodType {
  if (otherwise !== undefined) return type.optional();
  return standard === undefined ? type : type.prefault(standard as never);
}

function listOf(name: string, { settings }: Block): z.ZodType {
  const fields = Object.entries(settings).map(([setting, row]) => [setting, typeOf(row)]);
  const message = `write [[${name}]], with two brackets, and its settings below`;
  return z.array(z.strictObject(Object.fromEntries(fields)), { error: message }).prefault([] as never);
}

export const blocksSchema: Readonly<Record<string, z.ZodType>> = Object.fromEntries(
  Object.entries(blocks).map(([name, block]) => [name, listOf(name, block)]),
);
