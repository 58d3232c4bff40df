// Listeners as the supervisor tells roles of them, with the standard rules, and the certificate of the tests.

import { readFileSync } from "node:fs";
import path from "node:path";
import { limits } from "#base/limits.ts";
import type { BoundsSlice, CertificateSlice, PolicySlice, SliceOf, SmtpListener } from "#config/slice.ts";

const keys = path.resolve(import.meta.dirname, "../fixtures/keys");

export const testCertificate: CertificateSlice = {
  certificate: readFileSync(path.join(keys, "test.crt"), "utf8"),
  key: readFileSync(path.join(keys, "test.key"), "utf8"),
  names: [],
};

const boundsOf = (role: "smtp" | "gate"): BoundsSlice => ({
  connections: limits[role].connections,
  perAddress: limits[role].connectionsPerAddress,
  perNetwork: limits[role].connectionsPerNetwork,
  ratePerAddress: 0,
  ratePerNetwork: 0,
});

/** A listener of smtpd called `name`, its socket like it. */
export function smtpListener(name: string, changes: Partial<SmtpListener> = {}): SmtpListener {
  const { smtp } = limits;
  return {
    name,
    sockets: [name],
    class: "mx",
    tls: "starttls",
    proxy: [],
    networks: [],
    rules: { observe: [], off: [], order: [], rejectScore: 10, suspiciousScore: 7 },
    clientCa: "",
    bounds: boundsOf("smtp"),
    maxSize: 1_000_000,
    maxRecipients: 100,
    headerBytes: smtp.headerBytes,
    headerFields: smtp.headerFields,
    hops: smtp.hops,
    commandLine: smtp.commandLine,
    messages: smtp.transactionsPerConnection,
    errors: smtp.errors,
    commandTimeout: smtp.commandTimeout,
    bodyTimeout: smtp.bodyTimeout,
    sessionTime: smtp.sessionTime,
    ...changes,
  };
}

type GateListener = SliceOf<"gate">["listeners"][number];

/** A listener of gate called `name`, its socket like it. */
export function gateListener(
  name: string,
  changes: Partial<GateListener> & Pick<GateListener, "protocol">,
): GateListener {
  return { name, sockets: [name], tls: "starttls", proxy: [], bounds: boundsOf("gate"), ...changes };
}

/** The session rules as kenro.toml has them without a word of its owner's. */
export const standardPolicy: PolicySlice = {
  observe: [],
  off: [],
  order: [],
  deferFailed: [],
  spared: ["postmaster", "abuse"],
  lists: [],
  traps: [],
  rejectScore: 10,
  suspiciousScore: 7,
  greetDelay: 0,
  rejects: false,
};
