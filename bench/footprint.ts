// Idle footprint of a running server: PSS of every process, and the sum.
// usage: node bench/footprint.ts DATA_DIRECTORY   (as the server's user, or root)

import fs from "node:fs";
import path from "node:path";

const directory = process.argv[2];
if (directory === undefined) {
  console.error("Give the data directory of a running server");
  process.exit(2);
}
const supervisor = Number(fs.readFileSync(path.join(directory, "run/supervisor/pid"), "utf8"));

interface Row {
  readonly pid: number;
  readonly name: string;
  readonly kib: number;
}

function measure(pid: number): Row {
  const pss = /^Pss:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1];
  const words = fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  const at = words.findIndex((word) => word.endsWith("boot.ts"));
  return {
    pid,
    name: pid === supervisor ? "supervisor" : (words[at + 1] ?? words[0] ?? ""),
    kib: Number(pss ?? 0),
  };
}

const children = fs
  .readdirSync("/proc")
  .filter((name) => /^\d+$/.test(name))
  .map(Number)
  .filter((pid) => {
    try {
      const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
      return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === supervisor;
    } catch {
      // it ended meanwhile
      return false;
    }
  });
const rows = [supervisor, ...children].map(measure);
for (const { name, pid, kib } of rows)
  console.log(`${name.padEnd(12)} ${String(pid).padStart(8)} ${(kib / 1024).toFixed(1).padStart(8)} MB`);
console.log(
  `${"sum".padEnd(21)} ${(rows.reduce((sum, { kib }) => sum + kib, 0) / 1024).toFixed(1).padStart(8)} MB PSS`,
);
