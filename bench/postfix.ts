// Postfix for the measurement: the installed package with a configuration, queue and Maildirs in a directory of its own. Everything
// that decides about safety is Postfix's default; delivery is by virtual(8), the faster of its two Maildir programs.

import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { endTree, freePort, has, Missing, type Server, userNames } from "./server.ts";

const DOMAIN = "a.test";

/** Owner of the Maildirs; needs no account. */
const MAIL_USER = 30_000;

/** How long it may take to answer at first, ms. */
const PATIENCE = 20_000;

/** Why it cannot be measured here, if it cannot. */
export function postfixProblem(): string | undefined {
  if (!has("postfix")) return "Postfix is not installed (Debian: apt-get install postfix)";
  if (process.getuid?.() !== 0) return "Postfix needs root";
  return undefined;
}

interface Manner {
  /** postscreen stands in front and refuses every client. */
  readonly screened?: boolean;
  /** Mail for other domains goes to this port of 127.0.0.1. */
  readonly relay?: number;
}

/** Starts it in an empty directory. Missing when it does not come up. */
export async function startPostfix(
  directory: string,
  { screened = false, relay }: Manner = {},
): Promise<Server> {
  fs.chmodSync(directory, 0o755);
  const port = await freePort();
  const at = (name: string) => path.join(directory, name);
  for (const name of ["etc", "queue", "data", "mail"]) fs.mkdirSync(at(name), { mode: 0o755 });
  const setting = (name: string) => settingOf(name) ?? "";
  const screen = screened ? screenCf(directory) : "";
  fs.writeFileSync(at("etc/main.cf"), mainCf(directory, setting) + wayOut(relay) + screen);
  fs.writeFileSync(at("etc/master.cf"), masterCf(port, screened));
  fs.writeFileSync(at("etc/screened"), "0.0.0.0/0 reject\n");
  fs.writeFileSync(
    at("etc/mailboxes"),
    userNames.map((user) => `${user}@${DOMAIN} ${user}/Maildir/\n`).join(""),
  );
  spawnSync("chown", [setting("mail_owner"), at("data")]);
  const maildirs = userNames.map((user) => path.join(at("mail"), user, "Maildir"));
  for (const user of userNames) makeMaildir(path.join(at("mail"), user));
  // makes the directories of the queue
  spawnSync("postfix", ["-c", at("etc"), "check"]);
  const log = fs.openSync(at("output"), "a");
  const child = spawn(path.join(setting("daemon_directory"), "master"), ["-c", at("etc"), "-d"], {
    stdio: ["ignore", log, log],
    // it signals its process group when it ends
    detached: true,
  });
  fs.closeSync(log);
  const stop = () => endTree(child);
  if (!(await greets(port))) {
    await stop();
    throw new Missing(`Postfix did not start: ${fs.readFileSync(at("output"), "utf8")}`);
  }
  return {
    name: screened ? "postscreen" : "postfix",
    port,
    domain: DOMAIN,
    pid: child.pid ?? 0,
    maildirs,
    stop,
  };
}

function settingOf(name: string): string | undefined {
  return spawnSync("postconf", ["-d", "-h", name], { encoding: "utf8" }).stdout?.trim();
}

function makeMaildir(home: string): void {
  for (const place of ["", "/Maildir", "/Maildir/tmp", "/Maildir/new", "/Maildir/cur"]) {
    fs.mkdirSync(home + place, { mode: 0o700 });
    fs.chownSync(home + place, MAIL_USER, MAIL_USER);
  }
}

/** Whether a server says 220 there. */
async function greets(port: number): Promise<boolean> {
  for (const end = Date.now() + PATIENCE; Date.now() < end; await sleep(100)) {
    const greeted = await new Promise<boolean>((resolve) => {
      const socket = net.connect(port, "127.0.0.1");
      socket.once("data", (chunk) => {
        resolve(chunk.toString().startsWith("220"));
        socket.end("QUIT\r\n");
      });
      socket.once("error", () => resolve(false));
    });
    if (greeted) return true;
  }
  return false;
}

const mainCf = (directory: string, setting: (name: string) => string): string => `compatibility_level = 3.6
queue_directory = ${directory}/queue
data_directory = ${directory}/data
daemon_directory = ${setting("daemon_directory")}
command_directory = ${setting("command_directory")}
meta_directory = ${setting("meta_directory")}
shlib_directory = ${setting("shlib_directory")}
mail_owner = ${setting("mail_owner")}
setgid_group = ${setting("setgid_group")}
maillog_file = ${directory}/maillog
maillog_file_prefixes = ${directory}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.${DOMAIN}
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = ${DOMAIN}
virtual_mailbox_base = ${directory}/mail
virtual_mailbox_maps = texthash:${directory}/etc/mailboxes
virtual_uid_maps = static:${MAIL_USER}
virtual_gid_maps = static:${MAIL_USER}
virtual_mailbox_limit = 0
# nothing leaves the machine, no name is looked up
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
# the default of 100 would be just enough for the most connections that are measured
default_process_limit = 150
`;

const wayOut = (relay: number | undefined): string =>
  relay === undefined
    ? "default_transport = error:this server only measures\n"
    : `relayhost = [127.0.0.1]:${relay}\nsmtp_tls_security_level = none\nsmtp_host_lookup = native\n`;

/** A refusal at RCPT, as the others give it; the shortest wait that there is before the greeting. */
const screenCf = (directory: string): string => `postscreen_access_list = cidr:${directory}/etc/screened
postscreen_blacklist_action = enforce
postscreen_greet_wait = 1s
postscreen_client_connection_count_limit = 0
postscreen_pre_queue_limit = 500
postscreen_cache_map =
`;

const frontCf = (port: number, screened: boolean): string =>
  screened
    ? `127.0.0.1:${port} inet n - n - 1 postscreen
smtpd pass - - n - - smtpd
dnsblog unix - - n - 0 dnsblog
tlsproxy unix - - n - 0 tlsproxy`
    : `127.0.0.1:${port} inet n - n - - smtpd`;

const masterCf = (port: number, screened: boolean): string => `${frontCf(port, screened)}
postlog unix-dgram n - n - 1 postlogd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
showq unix n - n - - showq
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
`;
