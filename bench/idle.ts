// What connections cost that say nothing: thousands of them held, memory for each, a good client meanwhile, and one too many.
// usage: node bench/idle.ts [--connections 10000]

import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { hold } from "./crowd.ts";
import { startKenro } from "./kenro.ts";
import { allowFiles, processNamed } from "./processes.ts";
import { Missing, type Server } from "./server.ts";

const { values } = parseArgs({ options: { connections: { type: "string", default: "10000" } } });

async function run(connections: number): Promise<void> {
  if (!allowFiles(connections + 1000))
    throw new Missing(`The system does not allow ${connections} open files: raise its limit (ulimit -n)`);
  const directory = fs.mkdtempSync(path.join(tmpdir(), "kenro-idle-"));
  let server: Server | undefined;
  try {
    // one more than that is too many
    const edit = (toml: string) => toml.replace(/^connections = 12000$/m, `connections = ${connections}`);
    server = await startKenro(directory, undefined, edit);
    const pid = processNamed(server.pid, "smtpd") ?? 0;
    const held = await hold({ port: server.port, pid, connections });
    console.log(`${held.held} connections, each greeted: ${held.perConnection.toFixed(1)} KiB of smtpd each`);
    console.log(
      `a good client: ${held.before.toFixed(1)} ms without them, ${held.slowest.toFixed(1)} ms at most`,
    );
    console.log(`one too many: "${held.refusal.trim()}", ${held.refusedIn.toFixed(1)} ms`);
    console.log(`${held.refusals} refusals: ${held.refusalCpu.toFixed(3)} ms CPU of smtpd each`);
  } finally {
    await server?.stop();
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

try {
  await run(Number(values.connections));
} catch (thrown) {
  if (!(thrown instanceof Missing)) throw thrown;
  console.error(thrown.message);
  process.exitCode = 2;
}
