// Reads kenro.toml as a whole: every problem at once, each with its line; and cuts the slices for the roles.

import { createPrivateKey, X509Certificate } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { parse, TomlError } from "smol-toml";
import type { z } from "zod";
import { codeOf, messageOf, Trouble } from "#base/problem.ts";
import { err, ok, type Result } from "#base/result.ts";
import type { Config } from "./schema.ts";
import { configSchema, sections } from "./schema.ts";
import type { PolicySlice, SlicedRole, SliceOf, TlsSlice } from "./slice.ts";

export const CONFIG_FILE = "kenro.toml";

/** The configuration in a data directory, or all its problems as sentences. */
export function loadConfig(directory: string): Result<Config, readonly string[]> {
  const file = path.join(directory, CONFIG_FILE);
  let source: string;
  try {
    source = fs.readFileSync(file, "utf8");
  } catch (thrown) {
    const shown = path.resolve(directory);
    if (codeOf(thrown) === "ENOENT") {
      return err([`Cannot read "${file}": there is none; make it with: kenro init --dir ${shown}`]);
    }
    return err([`Cannot read "${file}": ${messageOf(thrown)}`]);
  }
  return readConfig(source);
}

/** As loadConfig, from the text of the file. */
export function readConfig(source: string): Result<Config, readonly string[]> {
  let parsed: unknown;
  try {
    parsed = parse(source);
  } catch (thrown) {
    if (!(thrown instanceof TomlError)) throw thrown;
    return err([`Line ${thrown.line} of ${CONFIG_FILE}: ${thrown.message.split("\n")[0]}`]);
  }
  const checked = configSchema.safeParse(parsed);
  if (checked.success) {
    const twice = claimedTwice(checked.data, source);
    return twice.length === 0 ? ok(checked.data) : err(twice);
  }
  return err(checked.error.issues.flatMap((issue) => explain(issue, source)));
}

/** The session rules as smtpd and `kenro policy` take them. */
export function policySliceOf({ policy }: Config): PolicySlice {
  const {
    observe,
    off,
    reject_score: rejectScore,
    suspicious_score: suspiciousScore,
    spared,
    lists,
  } = policy;
  return { observe, off, rejectScore, suspiciousScore, spared, lists };
}

/** Two services cannot have one port; the system would only say that it is in use. */
function claimedTwice({ listen }: Config, source: string): readonly string[] {
  const claimed = new Map<string, string>();
  return Object.entries(listen).flatMap(([service, endpoints]) =>
    endpoints.flatMap((endpoint) => {
      const before = claimed.get(endpoint);
      claimed.set(endpoint, service);
      if (before === undefined) return [];
      const line = lineOf(source, ["listen", service]);
      return [
        `Line ${line} of ${CONFIG_FILE}: "listen.${service}": "${endpoint}" is in "listen.${before}" already`,
      ];
    }),
  );
}

function explain(issue: z.core.$ZodIssue, source: string): readonly string[] {
  const where = issue.path.map(String);
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => {
      const name = [...where, key].join(".");
      const near = nearest(where, key);
      const hint = near ? `; did you mean "${near}"?` : "";
      return `Line ${lineOf(source, [...where, key])} of ${CONFIG_FILE}: unknown setting "${name}"${hint}`;
    });
  }
  const name = where.join(".");
  const line = lineOf(source, where);
  if (line === 0) return [`${CONFIG_FILE}: the setting "${name}" is missing`];
  return [`Line ${line} of ${CONFIG_FILE}: "${name}": ${issue.message.replace(/^Invalid input: /, "")}`];
}

/** The line on which a setting or section stands, counted from 1; 0 when it does not stand anywhere. */
export function lineOf(source: string, where: readonly string[]): number {
  const lines = source.split("\n");
  const [first = "", second] = where;
  let section = "";
  let sectionLine = 0;
  for (const [at, line] of lines.entries()) {
    const header = /^\s*\[\s*([\w.-]+)\s*\]/.exec(line)?.[1];
    if (header !== undefined) {
      section = header;
      if (header === first) sectionLine = at + 1;
    }
    const key = /^\s*"?([\w.-]+)"?\s*=/.exec(line)?.[1];
    const named = key === undefined ? "" : section === "" ? key : `${section}.${key}`;
    if (named === first || (second !== undefined && named === `${first}.${second}`)) return at + 1;
  }
  return sectionLine;
}

/** The setting whose name is closest to an unknown one, if any is close. */
function nearest(where: readonly string[], key: string): string | undefined {
  const [section = ""] = where;
  const settings = Object.entries(sections).flatMap(([name, { settings: own }]) =>
    Object.keys(own).map((setting) => (name === "" ? setting : `${name}.${setting}`)),
  );
  const names = where.length === 0 ? [...settings, ...Object.keys(sections)] : settings;
  const wanted = section === "" ? key : `${section}.${key}`;
  const scored = names
    .map((name) => ({ name, score: distance(name, wanted) }))
    .sort((a, b) => a.score - b.score);
  const best = scored[0];
  return best && best.name !== "" && best.score <= 3 ? best.name : undefined;
}

/** Levenshtein's distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

export interface ListenerOf {
  readonly role: "smtpd" | "gate";
  /** "mx.0", "imaps.1": setting and place in its list. */
  readonly name: string;
  readonly service: keyof Config["listen"];
  readonly address: string;
  readonly port: number;
}

const servicesOf = {
  mx: "smtpd",
  submission: "smtpd",
  submissions: "smtpd",
  pop3: "gate",
  pop3s: "gate",
  imap: "gate",
  imaps: "gate",
} as const satisfies Record<keyof Config["listen"], ListenerOf["role"]>;

/** Every network listener of the configuration, named. */
export function listenersOf(config: Config): readonly ListenerOf[] {
  return Object.entries(servicesOf).flatMap(([name, role]) => {
    const service = name as keyof Config["listen"];
    return config.listen[service].map((where, at) => ({
      role,
      name: `${service}.${at}`,
      service,
      ...splitEndpoint(where),
    }));
  });
}

function splitEndpoint(where: string): { readonly address: string; readonly port: number } {
  const colon = where.lastIndexOf(":");
  return { address: where.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(where.slice(colon + 1)) };
}

/** What one role is told. Trouble with one sentence when a file it needs (the certificate) cannot be used. */
export function sliceFor<R extends SlicedRole>(role: R, config: Config, directory = "."): SliceOf<R> {
  return cutters[role](config, directory) as SliceOf<R>;
}

const cutters: { readonly [R in SlicedRole]: (config: Config, directory: string) => SliceOf<R> } = {
  logger: ({ log }) => ({ log: log.level, size: log.size, files: log.files }),
  smtpd: (config, directory) => ({
    log: config.log.level,
    hostname: config.hostname,
    listeners: listenersOf(config)
      .filter(({ role }) => role === "smtpd")
      .map(({ name, service }) => ({
        name,
        class: service === "mx" ? "mx" : "submission",
        implicitTls: service === "submissions",
      })),
    tls: tlsOf(config, directory),
    maxSize: config.smtp.max_size,
    maxRecipients: config.smtp.max_recipients,
    contact: config.smtp.contact,
    xclient: config.smtp.xclient,
    connections: config.smtp.connections,
    connectionsPerAddress: config.smtp.connections_per_address,
  }),
  auth: ({ log, processes, login }) => ({
    log: log.level,
    readers: processes.reader,
    remember: login.remember,
  }),
  queue: ({ log, hostname, queue }) => ({
    log: log.level,
    hostname,
    lifetime: queue.lifetime,
    localConcurrency: queue.local_concurrency,
    remoteConcurrency: queue.remote_concurrency,
    freeSpace: queue.free_space,
  }),
  local: ({ log, hostname }) => ({ log: log.level, hostname }),
  remote: ({ log, hostname, remote, dns }) => ({
    log: log.level,
    hostname,
    dnsServers: dns.servers,
    port: remote.port,
    sourceAddress: remote.source_address,
    smarthost: remote.smarthost,
  }),
  gate: (config, directory) => ({
    log: config.log.level,
    hostname: config.hostname,
    listeners: listenersOf(config)
      .filter(({ role }) => role === "gate")
      .map(({ name, service }) => ({
        name,
        protocol: service.startsWith("imap") ? "imap" : "pop3",
        implicitTls: service.endsWith("s"),
      })),
    tls: tlsOf(config, directory),
    connections: config.gate.connections,
    connectionsPerAddress: config.gate.connections_per_address,
  }),
  reader: ({ log, hostname }) => ({ log: log.level, hostname }),
};

function tlsOf({ tls }: Config, directory: string): TlsSlice {
  const read = (setting: "certificate" | "key"): string => {
    const file = path.resolve(directory, tls[setting]);
    try {
      return fs.readFileSync(file, "utf8");
    } catch (thrown) {
      const why = codeOf(thrown) === "ENOENT" ? "there is no such file" : messageOf(thrown);
      throw new Trouble("load", `Cannot read tls.${setting} "${tls[setting]}": ${why}`, thrown);
    }
  };
  const [certificate, key] = [read("certificate"), read("key")];
  try {
    if (new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))) return { certificate, key };
  } catch (thrown) {
    throw new Trouble("load", `Cannot use the certificate in [tls]: ${messageOf(thrown)}`, thrown);
  }
  throw new Trouble(
    "load",
    `Cannot use the certificate in [tls]: the key "${tls.key}" belongs to another certificate`,
  );
}
