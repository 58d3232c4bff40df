// Cuts the slices of the configuration for the roles. Apart from load.ts, so that the supervisor does without the schema's library.

import { limits } from "#base/limits.ts";
import { hostsFor } from "#wire/message/rewriting.ts";
import { authoritiesOf, certificatesOf, passwordOf } from "./certificates.ts";
import { type ListenerOf, listenersOf } from "./listeners.ts";
import type { Config } from "./schema.ts";
import type { PolicySlice, SlicedRole, SliceOf, SmtpListener } from "./slice.ts";

/** The session rules as smtpd and `kenro policy` take them. */
export function policySliceOf({ policy }: Config): PolicySlice {
  const { observe, off, order, spared, lists, traps } = policy;
  return {
    observe,
    off,
    order,
    deferFailed: policy.defer_failed,
    spared,
    lists,
    traps,
    rejectScore: policy.reject_score,
    suspiciousScore: policy.suspicious_score,
    greetDelay: policy.greet_delay,
    rejects: policy.rejects_time > 0,
  };
}

/** Numbers from `users.base` on that belong to roles and groups; a test compares it with roles/roles.ts. */
export const ROLE_NUMBERS = 12;

/** What one role is told. Trouble with one sentence when a file it needs (the certificate) cannot be used. */
export function sliceFor<R extends SlicedRole>(role: R, config: Config, directory = "."): SliceOf<R> {
  return cutters[role](config, directory) as SliceOf<R>;
}

const cutters: { readonly [R in SlicedRole]: (config: Config, directory: string) => SliceOf<R> } = {
  logger: ({ log }) => ({ log: log.level, size: log.size, files: log.files }),
  smtpd: (config, directory) => ({
    log: config.log.level,
    ...acceptOf(config, directory, "smtp"),
    contact: config.smtp.contact,
    xclient: config.smtp.xclient,
    policy: policySliceOf(config),
    content: config.content.map(({ on_error, ...rest }) => ({ ...rest, onError: on_error })),
    dnsServers: config.dns.servers,
    relayHosts: config.qmail.rcpthosts,
    percentHack: config.qmail.percenthack,
    bareHost: config.qmail.envnoathost || config.hostname,
    listeners: listenersOf(config).flatMap((listener) => {
      const kind = listener.class;
      if (kind === "pop3" || kind === "imap") return [];
      const rules = rulesOf(config, listener);
      return [{ ...commonOf(config, listener), ...smtpOf(config, listener, directory), rules, class: kind }];
    }),
  }),
  auth: ({ log, processes, login, accounts, system_users }) => ({
    log: log.level,
    readers: processes.reader,
    remember: login.remember,
    marks: accounts.extension_marks,
    folders: accounts.extension_folders === "on",
    systemDomains: system_users.enabled === "on" ? system_users.domains.map(systemDomain) : [],
  }),
  lspawn: ({ log, hostname, drop, system_users: users, users: { base } }) => ({
    log: log.level,
    hostname,
    domain: drop.domain === "" ? hostname : drop.domain,
    assign: users.assign,
    passwd: users.passwd,
    alias: users.alias,
    otherwise: users.default_delivery,
    workers: users.workers,
    idle: users.idle,
    time: users.time,
    // behind those of roles and groups (roles/roles.ts)
    programs:
      users.allow_programs === "on"
        ? Array.from({ length: limits.lspawn.programs }, (_, at) => base + ROLE_NUMBERS + at)
        : [],
    bounds: {
      memory: users.memory,
      processes: users.processes,
      fileSize: users.file_size,
      cpu: Math.ceil(users.cpu / 1000),
    },
  }),
  ledger: ({ log, ledger }) => ({
    log: log.level,
    days: ledger.days,
    size: ledger.size,
    greylistDelay: ledger.greylist_delay,
    greylistWindow: ledger.greylist_window,
    ban: ledger.ban,
  }),
  queue: ({ log, hostname, queue, remote, drop, smtp, qmail }) => ({
    log: log.level,
    reporter: remote.tls_reports,
    hostname,
    lifetime: queue.lifetime,
    localConcurrency: queue.local_concurrency,
    remoteConcurrency: queue.remote_concurrency,
    destinationConcurrency: queue.destination_concurrency,
    destinationStart: queue.destination_start,
    freeSpace: queue.free_space,
    dropDomain: drop.domain === "" ? hostname : drop.domain,
    dropDefaultDomain: drop.default_domain || hostsFor(hostname).defaultDomain,
    dropPlusDomain: drop.plus_domain || hostsFor(hostname).plusDomain,
    dropSize: smtp.max_size,
    percentHack: qmail.percenthack,
  }),
  local: ({ log, hostname, policy, accounts }) => ({
    log: log.level,
    hostname,
    rejects: { time: policy.rejects_time, messages: policy.rejects_messages, size: policy.rejects_size },
    fullWait: accounts.full_wait,
  }),
  remote: ({ log, hostname, remote, dns, route }, directory) => ({
    log: log.level,
    hostname,
    dnsServers: dns.servers,
    dnsTrusted: dns.trusted,
    port: remote.port,
    sourceAddress: remote.source_address,
    smarthost: remote.smarthost,
    routes: route.map(({ password_file, hello, source_address, ...rest }) => ({
      ...rest,
      password: rest.user === "" ? "" : passwordOf(password_file, directory),
      hello: hello ?? hostname,
      sourceAddress: source_address ?? remote.source_address,
    })),
    reporter: remote.tls_reports,
    sts: remote.mta_sts === "on",
    authorities: authoritiesOf("remote.authorities", remote.authorities, directory),
  }),
  tlspolicy: ({ log, hostname, remote, dns }, directory) => ({
    log: log.level,
    hostname,
    reporter: remote.tls_reports,
    dnsServers: dns.servers,
    port: remote.https_port,
    authorities: authoritiesOf("remote.authorities", remote.authorities, directory),
  }),
  gate: (config, directory) => ({
    log: config.log.level,
    ...acceptOf(config, directory, "gate"),
    listeners: listenersOf(config).flatMap((listener) => {
      const kind = listener.class;
      return kind === "pop3" || kind === "imap" ? [{ ...commonOf(config, listener), protocol: kind }] : [];
    }),
  }),
  reader: ({ log, hostname }) => ({ log: log.level, hostname }),
};

/** `example.org:joe` in its parts. */
function systemDomain(entry: string): { readonly domain: string; readonly prepend: string } {
  const [domain = "", prepend = ""] = entry.split(":");
  return { domain, prepend };
}

/** What a role that takes connections is told for all its listeners. */
function acceptOf(config: Config, directory: string, section: "smtp" | "gate") {
  return {
    hostname: config.hostname,
    certificates: certificatesOf(config, directory),
    connections: config[section].connections,
    exempt: config[section].exempt,
  };
}

/** What a listener of either role has. */
function commonOf(config: Config, { name, sockets, tls, own, role }: ListenerOf) {
  const shared = role === "smtpd" ? config.smtp : config.gate;
  return {
    name,
    sockets: sockets.map((socket) => socket.name),
    tls,
    proxy: own.proxy ?? [],
    bounds: {
      connections: own.connections ?? shared.connections,
      perAddress: own.connections_per_address ?? shared.connections_per_address,
      perNetwork: own.connections_per_network ?? shared.connections_per_network,
      ratePerAddress: own.rate_per_address ?? shared.rate_per_address,
      ratePerNetwork: own.rate_per_network ?? shared.rate_per_network,
    },
  };
}

const THIS_MACHINE = ["127.0.0.0/8", "::1"];

/** What a listener for SMTP has besides. */
function smtpOf({ smtp }: Config, { own, class: kind }: ListenerOf, directory: string) {
  const networks = own.networks ?? [];
  return {
    // who may use QMQP may send to anybody
    networks: kind === "qmqp" && networks.length === 0 ? THIS_MACHINE : networks,
    clientCa: authoritiesOf("listener.client_ca", own.client_ca ?? "", directory),
    maxSize: own.max_size ?? smtp.max_size,
    maxRecipients: own.max_recipients ?? smtp.max_recipients,
    headerBytes: own.max_header ?? smtp.max_header,
    headerFields: own.max_fields ?? smtp.max_fields,
    hops: own.max_hops ?? smtp.max_hops,
    commandLine: own.max_command ?? smtp.max_command,
    messages: own.messages_per_connection ?? smtp.messages_per_connection,
    errors: own.errors_per_connection ?? smtp.errors_per_connection,
    commandTimeout: own.command_timeout ?? smtp.command_timeout,
    bodyTimeout: own.body_timeout ?? smtp.body_timeout,
    sessionTime: own.session_time ?? smtp.session_time,
  };
}

/** The session rules of a listener, by its own block or those of all. */
export const rulesOf = ({ policy }: Config, { own }: ListenerOf): SmtpListener["rules"] => ({
  observe: own.observe ?? policy.observe,
  off: own.off ?? policy.off,
  order: own.order ?? policy.order,
  rejectScore: own.reject_score ?? policy.reject_score,
  suspiciousScore: own.suspicious_score ?? policy.suspicious_score,
});
