// Settings that hold for a whole service and that one [[listener]] may have otherwise: bounds of connections, and what smtpd takes.

import { z } from "zod";
import { limits } from "#base/limits.ts";
import { ruleIds } from "./policyrules.ts";
import { formatDuration, formatSize } from "./units.ts";
import { count, duration, networks, type Setting, size } from "./values.ts";

const expected = `expected a rule: ${ruleIds.join(", ")}, or "site/NAME"`;

/** A rule of policy by its id. */
export const rule = z.union([z.enum(ruleIds), z.string().regex(/^site\/[A-Za-z0-9_-]+$/, expected)], {
  error: expected,
});

/** Of [policy]; a [[listener]] of class mx may have it otherwise. */
export const listenerPolicy = {
  observe: {
    type: z.array(rule),
    standard: [],
    meaning: "Rules that only write down what they would have refused.",
    seenBy: ["smtpd"],
  },
  off: { type: z.array(rule), standard: [], meaning: "Rules that do not run.", seenBy: ["smtpd"] },
  order: {
    type: z.array(rule),
    standard: [],
    meaning:
      'Rules that run first in their stage, in this order; the others follow in theirs. A rule that refuses spares those behind it; what stands behind "score" gives it no points.',
    seenBy: ["smtpd"],
  },
  reject_score: {
    type: count(1, 1000),
    standard: 10,
    meaning: "Points at which a session is refused.",
    seenBy: ["smtpd"],
  },
  suspicious_score: {
    type: count(1, 1000),
    standard: 7,
    meaning: "Points at which a session is asked to come again later (greylisting).",
    seenBy: ["smtpd"],
  },
} as const satisfies Readonly<Record<string, Setting>>;

interface BoundLimits {
  readonly connections: number;
  readonly connectionsPerAddress: number;
  readonly connectionsPerNetwork: number;
  readonly ratePerAddress: number;
  readonly ratePerNetwork: number;
}

/** More of anything than one process could ever have. */
const MOST = 1_000_000;

/** Bounds of connections for each address and network; the same names in [smtp], [gate] and [[listener]]. */
export const perClient = (role: string, given: BoundLimits) => ({
  connections_per_address: {
    type: count(1, MOST),
    standard: given.connectionsPerAddress,
    meaning: "Connections at a time from one address.",
    seenBy: [role],
  },
  connections_per_network: {
    type: count(1, MOST),
    standard: given.connectionsPerNetwork,
    meaning: "Connections at a time from one network: a /24 of IPv4, a /64 of IPv6.",
    seenBy: [role],
  },
  rate_per_address: {
    type: count(0, MOST),
    standard: given.ratePerAddress,
    meaning: "New connections a minute from one address; 0 for any number.",
    seenBy: [role],
  },
  rate_per_network: {
    type: count(0, MOST),
    standard: given.ratePerNetwork,
    meaning: "New connections a minute from one network; 0 for any number.",
    seenBy: [role],
  },
});

/** All bounds of a role that takes connections. */
export const boundSettings = (role: string, given: BoundLimits) => ({
  ...perClient(role, given),
  connections: {
    type: count(1, MOST),
    standard: given.connections,
    meaning:
      "Connections at a time on all listeners together, for each process; never more than the system lets it have open files.",
    seenBy: [role],
  },
  exempt: {
    type: networks,
    standard: ["127.0.0.0/8", "::1"],
    meaning: "Networks whose connections are counted for each address only, and whose rates are not limited.",
    seenBy: [role],
  },
});

const MINUTE = 60_000;

/** A time that the RFC gives a floor for. */
const patience = (floor: number, wanted: string) =>
  duration.pipe(z.int().min(floor, `expected at least ${wanted}`).max(86_400_000, "expected at most 1d"));

/** What a listener for SMTP takes from one connection. */
export const smtpRules = {
  max_size: {
    type: size.pipe(z.int().min(65_536, "expected at least 64k (RFC 5321 §4.5.3.1.7)")),
    standard: "50M",
    meaning: "Largest message.",
    seenBy: ["smtpd"],
  },
  max_recipients: {
    type: count(100, 100_000),
    standard: limits.smtp.recipients,
    meaning: "Recipients of one message; at least 100 (RFC 5321 §4.5.3.1.8).",
    seenBy: ["smtpd"],
  },
  max_header: {
    type: size.pipe(
      z
        .int()
        .min(65_536, "expected at least 64k (RFC 5321 §4.5.3.1.7)")
        .max(1_048_576, "expected at most 1M"),
    ),
    standard: formatSize(limits.smtp.headerBytes),
    meaning: "Largest header of a message. So much memory a connection may cost while its header is read.",
    seenBy: ["smtpd"],
  },
  max_fields: {
    type: count(100, 100_000),
    standard: limits.smtp.headerFields,
    meaning: "Fields in the header of a message.",
    seenBy: ["smtpd"],
  },
  max_hops: {
    type: count(100, 10_000),
    standard: limits.smtp.hops,
    meaning: "Received fields of a message before it is taken for a loop; at least 100 (RFC 5321 §6.3).",
    seenBy: ["smtpd"],
  },
  max_command: {
    type: count(1536, 65_536),
    standard: limits.smtp.commandLine,
    meaning: "Longest command line in bytes; RFC 5321 §4.5.3.1.4 and the extensions we offer need 1536.",
    seenBy: ["smtpd"],
  },
  messages_per_connection: {
    type: count(1, MOST),
    standard: limits.smtp.transactionsPerConnection,
    meaning: "Messages that may be begun on one connection; then 421.",
    seenBy: ["smtpd"],
  },
  errors_per_connection: {
    type: count(3, MOST),
    standard: limits.smtp.errors,
    meaning: "Commands that may be answered 5xx on one connection; then 421.",
    seenBy: ["smtpd"],
  },
  command_timeout: {
    type: patience(5 * MINUTE, "5m (RFC 5321 §4.5.3.2.7)"),
    standard: formatDuration(limits.smtp.commandTimeout),
    meaning: "How long the next command may take until it is complete; at least 5m (RFC 5321 §4.5.3.2.7).",
    seenBy: ["smtpd"],
  },
  body_timeout: {
    type: patience(3 * MINUTE, "3m (RFC 5321 §4.5.3.2.5)"),
    standard: formatDuration(limits.smtp.bodyTimeout),
    meaning: "How long the next 16k of a message may take; at least 3m (RFC 5321 §4.5.3.2.5).",
    seenBy: ["smtpd"],
  },
  session_time: {
    type: patience(10 * MINUTE, "10m"),
    standard: formatDuration(limits.smtp.sessionTime),
    meaning: "How long a whole connection may take.",
    seenBy: ["smtpd"],
  },
} as const satisfies Record<string, Setting>;
