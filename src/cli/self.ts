// Runs another command of ours as a child: what works with auth's rights keeps them in a process of its own.

import { spawnSync } from "node:child_process";
import { Refusal } from "./exit.ts";

/** What it printed; Refusal with what it complained about. */
export function runSelf(args: readonly string[], input = ""): string {
  const script = process.argv[1] ?? "";
  const ran = spawnSync(process.execPath, [...process.execArgv, script, ...args], {
    input,
    encoding: "utf8",
  });
  if (ran.status === 0) return ran.stdout;
  throw new Refusal(ran.stderr.trim() || `Cannot run kenro ${args[0]}: ${ran.error?.message ?? ran.signal}`);
}
