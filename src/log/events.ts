// Every event of the log: name, level, what it means and which fields it has. The log is an interface: programs read it.
// A line is: TAI64N stamp, role, event, key=value …; values with other than plain characters are quoted as in JSON.

export type Level = "debug" | "info" | "warn" | "error";

export interface Event {
  readonly level: Level;
  readonly meaning: string;
}

export const events = {
  // every role
  ready: { level: "info", meaning: "the role has started and serves" },
  stopping: { level: "info", meaning: "the role was told to stop" },
  reloaded: { level: "info", meaning: "the role took over a new configuration" },
  peer_garbage: { level: "warn", meaning: "another role sent what cannot be read; its link was closed" },
  trouble: { level: "warn", meaning: "something failed that may work later" },
  lost_lines: {
    level: "warn",
    meaning: "lines that could not be kept while the logger or the disk was away: count",
  },
  // supervisor
  role_started: { level: "info", meaning: "a process was started: role, pid, user" },
  role_ended: {
    level: "warn",
    meaning: "a process ended: role, pid, status or signal; it is started again after `wait` ms",
  },
  role_output: { level: "warn", meaning: "what a role wrote to its standard error" },
  config_refused: { level: "error", meaning: "the configuration file has problems; the old one stays" },
  // smtpd
  smtp_connect: { level: "info", meaning: "a client connected: session, ip, port, listener" },
  smtp_refused: { level: "info", meaning: "a client over the limit was sent away" },
  smtp_xclient: {
    level: "info",
    meaning: "a proxy said for whom it speaks from now on: session, ip, port, name, user, to",
  },
  smtp_tls: { level: "debug", meaning: "the session is encrypted: version, cipher" },
  smtp_auth: { level: "info", meaning: "a client logged in or failed to: user, result" },
  smtp_reject: { level: "info", meaning: "a command was answered 4xx or 5xx: code, command, text" },
  smtp_judged: {
    level: "info",
    meaning: "a rule of policy refused a recipient or a message: session, ip, rule, code, what it saw",
  },
  smtp_content: {
    level: "info",
    meaning:
      "a program of [[content]] has looked at a message: session, id, checker, verdict (clean, refuse, unknown), code, mode, what it saw, ms waited",
  },
  smtp_accept: {
    level: "info",
    meaning: "a message was accepted and is durable: session, id, sender, recipients, size",
  },
  smtp_disconnect: { level: "info", meaning: "the session is over: reason, messages, ms" },
  // ledger
  ledger_recovered: {
    level: "info",
    meaning: "the memory was read: records, dropped (bytes at its end that could not be read), ms",
  },
  ledger_ban: { level: "info", meaning: "a client was banned: client, until, why, author" },
  ledger_unban: { level: "info", meaning: "a ban was taken back: client" },
  // queue
  queue_new: { level: "info", meaning: "a message is in the queue: id, sender, recipients, size" },
  queue_refused: { level: "warn", meaning: "a message could not be taken: id, reason" },
  queue_dropped: {
    level: "info",
    meaning: "a message of a user of this machine was taken from the drop directory: id, uid, file",
  },
  queue_drop_aside: {
    level: "warn",
    meaning:
      "something in the drop directory is no message: file, uid, text, and what was done (moved, removed, left)",
  },
  queue_delivery: { level: "info", meaning: "an attempt ended: id, to, outcome, status, text, attempts" },
  queue_bounce: { level: "info", meaning: "a bounce was queued: id of the message, bounce (its id), to" },
  queue_forward: {
    level: "info",
    meaning: "a message went on from a recipient: id, to, forward (the id it goes on with), recipients",
  },
  queue_discard: { level: "warn", meaning: "a bounce that bounced twice was thrown away" },
  queue_order: {
    level: "info",
    meaning: "an administrator held, released, bounced or removed a message: id, order",
  },
  queue_end: { level: "info", meaning: "all recipients of a message are settled" },
  queue_recovered: { level: "info", meaning: "the spool was read: messages, segments, ms" },
  queue_damage: { level: "error", meaning: "a part of the spool cannot be read; it was set aside in `file`" },
  queue_sync_failed: { level: "error", meaning: "the disk refused a sync; the segment was abandoned" },
  // local, remote
  local_delivered: {
    level: "info",
    meaning: "a message is in a Maildir: id, to, file, again (already there before)",
  },
  rejects_kept: {
    level: "info",
    meaning:
      "a message that was refused lies in the folder Rejects of whom it was for: id, to, became (kept, there: before already, large: not kept)",
  },
  rejects_removed: {
    level: "info",
    meaning: "a message has come through that lay in Rejects; it is gone from there: id, to",
  },
  remote_attempt: {
    level: "info",
    meaning:
      "one transaction with a mail exchanger, or why there was none: id, host, ip, tls, reused, result",
  },
  // tlspolicy
  sts_policy: {
    level: "info",
    meaning: "an MTA-STS policy was fetched: domain, mode, mx, max_age (seconds)",
  },
  sts_unknown: { level: "warn", meaning: "an MTA-STS policy could not be fetched: domain, text" },
  tls_report: { level: "info", meaning: "a report on TLS was sent: domain, day, to" },
  // lspawn
  lspawn_delivery: {
    level: "info",
    meaning: "a message for a system user: id, to, uid, outcome, text",
  },
  lspawn_worker: { level: "debug", meaning: "a worker was started for a user: uid" },
  // auth
  auth_login: { level: "info", meaning: "a login: protocol, user, ip, result (welcome, denied, suspended)" },
  // gate, reader
  gate_connect: { level: "info", meaning: "a client connected: session, ip, port, protocol" },
  gate_refused: { level: "info", meaning: "a client over the limit was sent away" },
  gate_login: { level: "info", meaning: "a login attempt: session, user, result" },
  gate_disconnect: { level: "info", meaning: "the connection is over: session, reason" },
  reader_session: { level: "info", meaning: "a session began: session, account, protocol" },
  reader_end: { level: "info", meaning: "a session is over: session, reason, ms" },
} as const satisfies Record<string, Event>;

export type EventName = keyof typeof events;
