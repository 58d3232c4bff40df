// NSD, and Unbound in front of it, both on loopback: a real DNS for tests, with zones that may be signed.

import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import type { TestContext } from "node:test";
import { systemClock } from "#base/clock.ts";
import { NetworkResolver } from "#sys/resolver.ts";
import { freePort } from "./loopback.ts";
import { temporaryDirectory } from "./temporary.ts";

export interface DnsServers {
  /** "127.0.0.1:port" each; the second one validates. */
  readonly nsd: string;
  readonly unbound: string;
}

export interface SignedZone {
  readonly records: string;
  /** "expired": its signatures are of long ago. */
  readonly signed: true | "expired";
  /** Changes the signed zone, so that its signatures are wrong. */
  readonly forge?: (signed: string) => string;
}

/** Records by zone, as in zone files without SOA and NS. */
export type DnsZones = Readonly<Record<string, string | SignedZone>>;

const head = (name: string) =>
  `$ORIGIN ${name}.\n$TTL 60\n@ SOA ns.${name}. host.${name}. 1 3600 600 86400 5\n@ NS ns.${name}.\nns A 127.0.0.1\n`;

/** Writes a zone; its key in DNSKEY form when it is signed. */
function writeZone(directory: string, name: string, zone: DnsZones[string]): string {
  const file = path.join(directory, `${name}.zone`);
  fs.writeFileSync(file, `${head(name)}${typeof zone === "string" ? zone : zone.records}\n`);
  if (typeof zone === "string") return "";
  const tool = (program: string, args: readonly string[]) =>
    execFileSync(program, args, { cwd: directory, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  const key = tool("ldns-keygen", ["-a", "ECDSAP256SHA256", "-k", name]).trim();
  const dates = zone.signed === "expired" ? ["-i", "20200101000000", "-e", "20200201000000"] : [];
  tool("ldns-signzone", [...dates, "-n", "-f", file, file, key]);
  if (zone.forge) fs.writeFileSync(file, zone.forge(fs.readFileSync(file, "utf8")));
  return fs.readFileSync(path.join(directory, `${key}.key`), "utf8");
}

/** Started and answering; the zone "servfail.test" is answered with SERVFAIL. */
export async function startDns(context: TestContext, zones: DnsZones): Promise<DnsServers> {
  const directory = temporaryDirectory(context);
  const [nsd, unbound] = [await freePort(), await freePort()];
  const anchors = Object.entries(zones).map(([name, zone]) => writeZone(directory, name, zone));
  fs.writeFileSync(path.join(directory, "anchors"), anchors.join(""));
  // a zone without its file is answered with SERVFAIL
  const served = [...Object.keys(zones), "servfail.test"];
  fs.writeFileSync(path.join(directory, "nsd.conf"), nsdConf(directory, nsd, served));
  fs.writeFileSync(path.join(directory, "unbound.conf"), unboundConf(directory, { nsd, unbound }, served));
  run(context, "nsd", ["-d", "-c", path.join(directory, "nsd.conf")]);
  run(context, "unbound", ["-d", "-c", path.join(directory, "unbound.conf")]);
  await answering(nsd, served[0] ?? "");
  await answering(unbound, served.find((name) => typeof zones[name] === "string") ?? "");
  return { nsd: `127.0.0.1:${nsd}`, unbound: `127.0.0.1:${unbound}` };
}

function nsdConf(directory: string, port: number, served: readonly string[]): string {
  const zones = served.map((name) => `zone:\n  name: "${name}"\n  zonefile: "${directory}/${name}.zone"`);
  return `server:
  ip-address: 127.0.0.1@${port}
  username: ""
  zonesdir: "${directory}"
  database: ""
  pidfile: "${directory}/nsd.pid"
  xfrdfile: "${directory}/xfrd"
  zonelistfile: "${directory}/zones"
  server-count: 1
remote-control:
  control-enable: no
${zones.join("\n")}
`;
}

function unboundConf(
  directory: string,
  ports: Readonly<Record<"nsd" | "unbound", number>>,
  served: readonly string[],
): string {
  const stubs = served.map((name) => `stub-zone:\n  name: "${name}"\n  stub-addr: 127.0.0.1@${ports.nsd}`);
  // Unbound knows by itself that there is nothing below "test."
  const local = [...new Set([...served, "test"])].map((name) => `  local-zone: "${name}." nodefault`);
  return `server:
  interface: 127.0.0.1
  port: ${ports.unbound}
  username: ""
  chroot: ""
  directory: "${directory}"
  pidfile: "${directory}/unbound.pid"
  use-syslog: no
  num-threads: 1
  do-daemonize: no
  do-not-query-localhost: no
  do-ip6: no
  module-config: "validator iterator"
  trust-anchor-file: "${directory}/anchors"
${local.join("\n")}
remote-control:
  control-enable: no
${stubs.join("\n")}
`;
}

function run(context: TestContext, program: string, args: readonly string[]): void {
  const child: ChildProcess = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  let stopping = false;
  const ended = once(child, "exit");
  void ended.then(() => {
    if (!stopping) console.error(`${program} has ended: ${said}`);
  });
  context.after(async () => {
    stopping = true;
    child.kill();
    await ended;
  });
}

async function answering(port: number, zone: string): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const servers = [`127.0.0.1:${port}`];
    const resolver = new NetworkResolver({ servers, clock: systemClock, timeout: 300, attempts: 1 });
    if ((await resolver.a(`ns.${zone}`)).kind === "found") return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail(`no answers from port ${port}`);
}
