// Postfix from the system's package on a free loopback port, in a directory of its own: the oracle for how SMTP is answered.

import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";
import { freePort } from "./loopback.ts";
import { need } from "./tools.ts";

const daemons = "/usr/lib/postfix/sbin";

/** Whether Postfix can be started here; if not, the test is skipped with a note, and without Postfix it fails in CI. */
export function needPostfix(context: TestContext): boolean {
  if (!need(context, path.join(daemons, "master"))) return false;
  if (process.getuid?.() === 0) return true;
  context.skip("Postfix starts as root only");
  return false;
}

const services = `
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
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`;

/** Postfix with the settings of `main`, and `service`, on a port; ended with the test. Mail that it accepts is thrown away, unless `main` says otherwise. */
export async function startPostfix(
  context: TestContext,
  main: Readonly<Record<string, string>>,
  service: "smtpd" | "qmqpd" = "smtpd",
): Promise<number> {
  const dir = fs.mkdtempSync(path.join(tmpdir(), "kenro-postfix-"));
  fs.chmodSync(dir, 0o755);
  const port = await freePort();
  for (const name of ["etc", "queue", "data"]) fs.mkdirSync(path.join(dir, name));
  const owner = Number(spawnSync("id", ["-u", "postfix"], { encoding: "utf8" }).stdout);
  fs.chownSync(path.join(dir, "data"), owner, 0);
  const settings = {
    compatibility_level: "3.6",
    queue_directory: path.join(dir, "queue"),
    data_directory: path.join(dir, "data"),
    daemon_directory: daemons,
    command_directory: "/usr/sbin",
    meta_directory: "/etc/postfix",
    shlib_directory: path.dirname(daemons),
    mail_owner: "postfix",
    setgid_group: "postdrop",
    maillog_file: path.join(dir, "maillog"),
    maillog_file_prefixes: dir,
    inet_interfaces: "127.0.0.1",
    inet_protocols: "ipv4",
    smtp_dns_support_level: "disabled",
    default_transport: "discard",
    virtual_transport: "discard",
    local_recipient_maps: "",
    alias_maps: "",
    alias_database: "",
    ...main,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}\n`);
  fs.writeFileSync(path.join(dir, "etc/main.cf"), lines.join(""));
  fs.writeFileSync(path.join(dir, "etc/master.cf"), `127.0.0.1:${port} inet n - n - - ${service}${services}`);
  spawnSync("postfix", ["-c", path.join(dir, "etc"), "check"], { stdio: "ignore" });
  const master = spawn(path.join(daemons, "master"), ["-c", path.join(dir, "etc"), "-d"], {
    stdio: "ignore",
  });
  const ended = new Promise((resolve) => master.once("exit", resolve));
  context.after(async () => {
    master.kill("SIGTERM");
    await ended;
    fs.rmSync(dir, { recursive: true, force: true });
  });
  await answering(port, service === "smtpd", () => fs.readFileSync(path.join(dir, "maillog"), "utf8"));
  return port;
}

async function answering(port: number, greets: boolean, log: () => string): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const found = await new Promise<boolean>((resolve) => {
      const socket = net.connect(port, "127.0.0.1");
      // qmqpd says nothing first
      socket.once(greets ? "data" : "connect", () => resolve(true)).once("error", () => resolve(false));
      socket.once("close", () => resolve(false));
      socket.setTimeout(5000, () => socket.destroy());
    });
    if (found) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`Postfix does not answer: ${log()}`);
}
