// Kenro for the measurement: this checkout, or another one to compare with, with the configuration that `kenro init` makes, in a directory of its own.

import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { endTree, isFree, Missing, type Server, userNames } from "./server.ts";

/** The checkout we are in. */
const HERE = path.resolve(import.meta.dirname, "..");
const DOMAIN = "a.test";

/** Standard ports; the server has them at base + port. */
const PORTS = [25, 587, 465, 110, 995, 143, 993];

/** Changes kenro.toml; ports from `base` on are free. */
type Edit = (toml: string, base: number) => string;

/** Makes and starts a server in an empty directory; of another checkout when one is named. */
export async function startKenro(directory: string, checkout?: string, edit?: Edit): Promise<Server> {
  return launchKenro(directory, await initKenro(directory, checkout, edit), checkout);
}

/** Makes a server; the base of its ports. */
export async function initKenro(
  directory: string,
  checkout?: string,
  edit: Edit = (toml) => toml,
): Promise<number> {
  const executable = path.resolve(checkout ?? HERE, "bin/kenro");
  const kenro = (words: readonly string[]) => command(executable, [...words, "--dir", directory]);
  // the roles have users of their own, which must reach the data directory
  fs.chmodSync(directory, 0o711);
  const base = await freeBase();
  const choices = ["--hostname", "mail.a.test", "--domain", DOMAIN, "--port-base", String(base), "--yes"];
  kenro(["init", ...choices]);
  const settings = path.join(directory, "kenro.toml");
  fs.writeFileSync(settings, edit(fs.readFileSync(settings, "utf8"), base));
  for (const user of userNames) kenro(["user", "add", `${user}@${DOMAIN}`, "--password-stdin"]);
  return base;
}

/** Starts a server that was made; also again. */
export async function launchKenro(directory: string, base: number, checkout?: string): Promise<Server> {
  const executable = path.resolve(checkout ?? HERE, "bin/kenro");
  const child = spawn(executable, ["start", "--dir", directory], { stdio: ["ignore", "pipe", "inherit"] });
  const stop = () => endTree(child);
  try {
    await new Promise<void>((resolve, reject) => {
      child.stdout.on("data", (chunk: Buffer) => /^ready/m.test(chunk.toString()) && resolve());
      child.once("close", () => reject(new Missing("Kenro did not start")));
    });
  } catch (thrown) {
    await stop();
    throw thrown;
  }
  const maildirs = userNames.map((user) => path.join(directory, "mail", DOMAIN, user, "Maildir"));
  return { name: checkout ?? "kenro", port: base + 25, domain: DOMAIN, pid: child.pid ?? 0, maildirs, stop };
}

function command(executable: string, words: readonly string[]): void {
  const run = spawnSync(executable, words, { input: "a password for speed\n", encoding: "utf8" });
  if (run.status !== 0) throw new Missing(`${executable} ${words.join(" ")}: ${run.stderr ?? run.error}`);
}

async function freeBase(): Promise<number> {
  for (let base = 20_000; base < 60_000; base += 1000) {
    const free = await Promise.all(PORTS.map((port) => isFree(base + port)));
    if (free.every(Boolean)) return base;
  }
  throw new Missing("There are no free ports");
}
