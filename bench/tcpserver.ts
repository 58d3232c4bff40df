// tcpserver and rblsmtpd of ucspi-tcp for the measurement: every client is refused by an access rule, as the seed did it.

import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { endTree, freePort, has, isFree, Missing, type Server } from "./server.ts";

/** Connections at a time; more wait. */
const MOST = 200;

/** Why it cannot be measured here, if it cannot. */
export function tcpserverProblem(): string | undefined {
  const missing = ["tcpserver", "tcprules", "rblsmtpd"].filter((program) => !has(program));
  return missing.length === 0 ? undefined : "ucspi-tcp is not installed (Debian: apt-get install ucspi-tcp)";
}

/** Starts it in an empty directory: it looks for no names, and says `refusal` to all recipients. */
export async function startTcpserver(directory: string, refusal: string): Promise<Server> {
  const [cdb, beside] = ["rules.cdb", "rules.new"].map((name) => path.join(directory, name)) as [
    string,
    string,
  ];
  const compiled = spawnSync("tcprules", [cdb, beside], { input: `:allow,RBLSMTPD="-${refusal}"\n` });
  if (compiled.status !== 0) throw new Missing(`tcprules: ${String(compiled.stderr)}`);
  const port = await freePort();
  const log = fs.openSync(path.join(directory, "output"), "a");
  const bounds = ["-H", "-R", "-l", "mail.a.test", "-c", String(MOST), "-b", String(MOST), "-x", cdb];
  // what stands behind rblsmtpd is never run
  const child = spawn("tcpserver", [...bounds, "127.0.0.1", String(port), "rblsmtpd", "false"], {
    stdio: ["ignore", log, log],
  });
  fs.closeSync(log);
  const stop = () => endTree(child);
  for (let tries = 0; (await isFree(port)) && tries < 50; tries++) await sleep(100);
  if (child.exitCode !== null) throw new Missing("tcpserver did not start");
  return { name: "tcpserver", port, domain: "a.test", pid: child.pid ?? 0, maildirs: [], stop };
}
