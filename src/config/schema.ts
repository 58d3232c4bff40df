// Every setting: its name, type, default and meaning. `kenro init` writes kenro.toml from this table and docs/config.md is made from it.

import { z } from "zod";
import { limits } from "#base/limits.ts";
import { accountsSection } from "./accounts.ts";
import { type Blocks, blocksSchema } from "./blocks.ts";
import { dropSection } from "./drop.ts";
import { listenSection } from "./listen.ts";
import { qmailSection } from "./qmail.ts";
import { queueSection } from "./queuesection.ts";
import { boundSettings, listenerPolicy, rule, smtpRules } from "./rules.ts";
import { systemUsersSection } from "./systemusers.ts";
import { count, duration, host, hostname, ip, networks, resolver, type Setting, size } from "./values.ts";

export interface Section {
  readonly meaning: string;
  readonly settings: Readonly<Record<string, Setting>>;
}

/** The section "" stands at the top of the file. */
export const sections = {
  "": {
    meaning: "",
    settings: {
      hostname: {
        type: hostname,
        standard: undefined,
        meaning:
          "The name of this machine in greetings, EHLO and Received fields; its reverse DNS should say the same.",
        seenBy: ["smtpd", "queue", "local", "remote", "gate", "reader"],
      },
    },
  },
  listen: listenSection,
  tls: {
    meaning: "The certificate shown to clients; read by the supervisor, at the start and at `kenro reload`.",
    settings: {
      certificate: {
        type: z.string().min(1),
        standard: "tls/cert.pem",
        meaning:
          "PEM file with the certificate and its chain; relative to this directory. Shown to clients that ask for no name or for one that no [[certificate]] has.",
        seenBy: ["supervisor"],
      },
      key: {
        type: z.string().min(1),
        standard: "tls/key.pem",
        meaning: "PEM file with its private key.",
        seenBy: ["supervisor"],
      },
    },
  },
  smtp: {
    meaning: "Receiving mail. A [[listener]] may have its own values for most of these.",
    settings: {
      ...smtpRules,
      ...boundSettings("smtpd", limits.smtp),
      contact: {
        type: z
          .string()
          .regex(/^[ -~]*$/, "expected ASCII on one line")
          .max(limits.smtp.contact),
        standard: "",
        meaning:
          'Whom somebody who was refused may ask, at the end of every refusal: such as "https://example.org/postmaster" or "+49 30 1234"; "" for nothing.',
        seenBy: ["smtpd"],
      },
      xclient: {
        type: networks,
        standard: [],
        meaning:
          "Addresses and networks of proxies that may say for whom they speak (XCLIENT, docs/smtp.md). They are believed without a password.",
        seenBy: ["smtpd"],
      },
    },
  },
  policy: {
    meaning: "Which mail from other servers is refused while they are connected (docs/policy.md).",
    settings: {
      ...listenerPolicy,
      defer_failed: {
        type: z.array(rule),
        standard: [],
        meaning:
          "Rules that put a client off (451) when they fail or take too long. All others are skipped then: mail is not refused for our own trouble.",
        seenBy: ["smtpd"],
      },
      greet_delay: {
        type: duration.pipe(z.int().max(60_000, "expected at most 1m")),
        standard: "0s",
        meaning:
          "How long a client from outside waits for the greeting; who speaks before it is refused (early-talker). RFC 5321 lets clients wait for five minutes.",
        seenBy: ["smtpd"],
      },
      spared: {
        type: z.array(
          z
            .string()
            .toLowerCase()
            .regex(/^[^@\s]+$/, "expected the part of an address before the @"),
        ),
        standard: ["postmaster", "abuse"],
        meaning: "Local parts that take mail whatever the rules say, so that whoever is refused can ask why.",
        seenBy: ["smtpd"],
      },
      traps: {
        type: z.array(
          z
            .string()
            .toLowerCase()
            .regex(/^[^@\s]+@[^@\s]+$/, "expected an address"),
        ),
        standard: [],
        meaning:
          "Addresses that nobody uses and nobody was ever given: who writes to one bought or guessed it. It is refused, and remembered.",
        seenBy: ["smtpd"],
      },
      rejects_time: {
        type: duration.pipe(z.int().max(366 * 86_400_000, "expected at most 366d")),
        standard: "14d",
        meaning:
          "How long a message that was refused for its points only is kept in the folder Rejects of those it was for (docs/rejects.md). 0s: no such message is kept.",
        seenBy: ["smtpd", "local"],
      },
      rejects_messages: {
        type: count(1, 10_000),
        standard: 100,
        meaning: "How many of them a mailbox keeps at most; the oldest go first.",
        seenBy: ["local"],
      },
      rejects_size: {
        type: size.pipe(z.int().min(65_536, "expected at least 64K")),
        standard: "32M",
        meaning: "How much of the disk they may take in a mailbox.",
        seenBy: ["local"],
      },
      lists: {
        type: z.array(z.string()).max(limits.dnsbl.lists),
        standard: [],
        meaning:
          'Block and allow lists in DNS with the return codes that count and their weight, such as "zen.example.org=127.0.0.2-11*5" (docs/dnsbl.md).',
        seenBy: ["smtpd"],
      },
    },
  },
  ledger: {
    meaning: "What is remembered of those who send (docs/ledger.md).",
    settings: {
      days: {
        type: count(1, 3650),
        standard: 30,
        meaning: "How many days the records of sessions are kept (`kenro policy sessions`).",
        seenBy: ["ledger"],
      },
      size: {
        type: size.pipe(z.int().min(2 * limits.ledger.sessionFile, "expected at least 16M")),
        standard: "256M",
        meaning: "How much of the disk they may take; the oldest go first.",
        seenBy: ["ledger"],
      },
      greylist_delay: {
        type: duration.pipe(z.int().max(86_400_000, "expected at most 1d")),
        standard: "5m",
        meaning: "A suspicious client that is new is asked to come again after this.",
        seenBy: ["ledger"],
      },
      greylist_window: {
        type: duration.pipe(z.int().min(3_600_000, "expected at least 1h")),
        standard: "2d",
        meaning: "It must have come again by then, or it is new once more.",
        seenBy: ["ledger"],
      },
      ban: {
        type: duration.pipe(z.int().max(limits.ledger.banMost, "expected at most 1d")),
        standard: "1h",
        meaning:
          "How long a client is banned that guesses recipients or writes to traps again; twice as long each time, at most a day. 0 bans nobody.",
        seenBy: ["ledger"],
      },
    },
  },
  gate: {
    meaning: "The door for POP3 and IMAP. A [[listener]] may have its own values for most of these.",
    settings: boundSettings("gate", limits.gate),
  },
  login: {
    meaning: "Passwords.",
    settings: {
      remember: {
        type: duration.pipe(z.int().max(86_400_000, "expected at most 1d")),
        standard: "5m",
        meaning:
          "How long a password that was right need not be verified again (which costs 50 ms), for clients that connect again and again; 0 for never.",
        seenBy: ["auth"],
      },
    },
  },
  accounts: accountsSection,
  queue: queueSection,
  drop: dropSection,
  qmail: qmailSection,
  system_users: systemUsersSection,
  remote: {
    meaning: "Sending to other servers.",
    settings: {
      port: {
        type: count(1, 65_535),
        standard: 25,
        meaning: "Port of mail exchangers; another one than 25 only for tests.",
        seenBy: ["remote"],
      },
      source_address: {
        type: ip,
        standard: "",
        meaning: 'Address that outgoing connections come from; "" leaves it to the system.',
        seenBy: ["remote"],
      },
      smarthost: {
        type: host,
        standard: "",
        meaning:
          'Everything goes to this "host" or "host:port" instead of the exchangers in DNS; "" for none.',
        seenBy: ["remote"],
      },
      mta_sts: {
        type: z.enum(["on", "off"]),
        standard: "on",
        meaning:
          '"on": mail to domains with an MTA-STS policy goes only to servers that fit it (docs/remote.md). "off": policies are not looked for.',
        seenBy: ["remote"],
      },
      authorities: {
        type: z.string(),
        standard: "",
        meaning:
          'PEM file with the authorities that are believed about the certificates of other servers, where those must prove themselves by one; "" for the public ones.',
        seenBy: ["supervisor"],
      },
      tls_reports: {
        type: z
          .string()
          .regex(
            /^(?:|[^\s@<>"(),]+@[A-Za-z0-9.-]+)$/,
            'expected an address such as "tls-reports@example.org"',
          ),
        standard: "",
        meaning:
          'Address from which domains that ask for it are told once a day how TLS to their servers went (TLS-RPT, docs/remote.md); "" collects and tells nothing. Reports by mail should be signed (DKIM), which this server does not do yet; those by HTTPS need no signature.',
        seenBy: ["remote", "queue", "tlspolicy"],
      },
      https_port: {
        type: count(1, 65_535),
        standard: 443,
        meaning: "Port where policies are fetched; another one than 443 only for tests.",
        seenBy: ["tlspolicy"],
      },
    },
  },
  dns: {
    meaning: "Name look-ups.",
    settings: {
      servers: {
        type: z.array(resolver),
        standard: [],
        meaning: 'Resolvers, such as "127.0.0.1:53"; an empty list takes the system\'s.',
        seenBy: ["remote", "smtpd", "tlspolicy"],
      },
      trusted: {
        type: networks,
        standard: ["127.0.0.0/8", "::1"],
        meaning:
          "Addresses and networks of resolvers that are believed when they say that DNSSEC proves an answer, so that DANE can be used (docs/remote.md). Nobody else must be able to write on the way to them. An empty list switches DANE off.",
        seenBy: ["remote"],
      },
    },
  },
  processes: {
    meaning: "How many processes of a role there are.",
    settings: {
      smtpd: { type: count(1, 64), standard: 1, meaning: "Receivers.", seenBy: ["supervisor"] },
      gate: { type: count(1, 64), standard: 1, meaning: "Doors for POP3 and IMAP.", seenBy: ["supervisor"] },
      reader: {
        type: count(1, 64),
        standard: 1,
        meaning: "Readers; every account has one of them.",
        seenBy: ["supervisor", "auth"],
      },
    },
  },
  users: {
    meaning: "As root, every role runs as a user of its own.",
    settings: {
      base: {
        type: count(100, 2_000_000_000),
        standard: 58_100,
        meaning: "First of the twenty user and group numbers; they need no entries in /etc/passwd.",
        seenBy: ["supervisor"],
      },
    },
  },
  log: {
    meaning: "The log in log/<role>/; read it with `kenro log`.",
    settings: {
      level: {
        type: z.enum(["info", "debug"]),
        standard: "info",
        meaning: '"info" or "debug".',
        seenBy: ["all roles"],
      },
      size: {
        type: size.pipe(z.int().min(4096)),
        standard: "16M",
        meaning: "A log file is closed at this size and a new one begun.",
        seenBy: ["logger"],
      },
      files: {
        type: count(1, 10_000),
        standard: limits.log.files,
        meaning: "Closed log files kept for each role.",
        seenBy: ["logger"],
      },
    },
  },
} as const satisfies Record<string, Section>;

type SectionName = keyof typeof sections;
type SettingsOf<S extends SectionName> = {
  readonly [N in keyof (typeof sections)[S]["settings"]]: (typeof sections)[S]["settings"][N] extends {
    readonly type: infer T extends z.ZodType;
  }
    ? z.output<T>
    : never;
};

/** The whole configuration, read and checked. */
export type Config = SettingsOf<""> & { readonly [S in Exclude<SectionName, "">]: SettingsOf<S> } & Blocks;

function objectOf(section: Section): z.ZodType {
  const fields = Object.entries(section.settings).map(([name, { type, standard }]) => [
    name,
    standard === undefined ? type : type.prefault(standard as never),
  ]);
  return z.strictObject(Object.fromEntries(fields));
}

/** Reads a parsed kenro.toml; unknown settings are errors, missing ones have their default. */
export const configSchema = z.strictObject({
  ...(objectOf(sections[""]) as z.ZodObject).shape,
  ...Object.fromEntries(
    Object.entries(sections)
      .filter(([name]) => name !== "")
      .map(([name, section]) => [name, objectOf(section).prefault({} as never)]),
  ),
  ...blocksSchema,
}) as unknown as z.ZodType<Config>;
