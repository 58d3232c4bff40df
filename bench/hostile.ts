// What hostile connections cost: many of each attack of attacks.ts against a server of its own, memory of smtpd for each connection.
// usage: node bench/hostile.ts [--connections 200] [--seconds 8] [PART of an attack's name …]

import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { attacks } from "./attacks.ts";
import { startKenro } from "./kenro.ts";
import { processNamed } from "./processes.ts";
import { Missing, type Server } from "./server.ts";
import { besiege, besieged, goodClient, MOST, type Suffered, type Target } from "./siege.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    connections: { type: "string", default: "200" },
    seconds: { type: "string", default: "8" },
  },
});

/** Where the door for everybody is, beside the others. */
const LAN = 26;

function targetOf({ port, pid }: Server): Target {
  const smtpd = processNamed(pid, "smtpd");
  if (smtpd === undefined) throw new Missing("smtpd does not run");
  const base = port - 25;
  return {
    pid: smtpd,
    ports: { mx: port, lan: base + LAN, submission: base + 587, submissions: base + 465 },
  };
}

/** Every attack meets a fresh server: memory that another one has cost would hide its own. */
async function suffer(attack: (typeof attacks)[number]): Promise<Suffered> {
  const directory = fs.mkdtempSync(path.join(tmpdir(), "kenro-hostile-"));
  let server: Server | undefined;
  try {
    server = await startKenro(directory, undefined, (toml, base) => besieged(toml, base + LAN));
    const target = targetOf(server);
    for (let at = 0; at < 20; at++) await goodClient(target.ports.mx);
    const time = Number(values.seconds) * 1000;
    return await besiege(target, attack, { connections: Number(values.connections), time });
  } finally {
    await server?.stop();
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

const wanted = attacks.filter(
  ({ name }) => positionals.length === 0 || positionals.some((part) => name.includes(part)),
);
console.log("| attack | KiB/connection | connections made | good messages | slowest ms |");
console.log("|---|--:|--:|--:|--:|");
for (const attack of wanted) {
  const { perConnection, made, good, slowest } = await suffer(attack);
  console.log(`| ${attack.name} | ${perConnection.toFixed(0)} | ${made} | ${good} | ${slowest.toFixed(0)} |`);
  if (perConnection > MOST) process.exitCode = 1;
}
