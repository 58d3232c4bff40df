// A server that is nothing but Node: it says fixed words and refuses every recipient. What it costs, no mail server in one Node process
// can be below.

import { spawn } from "node:child_process";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { endTree, freePort, isFree, Missing, type Server } from "./server.ts";

/** Starts it as a process of its own. */
export async function startBare(): Promise<Server> {
  const port = await freePort();
  const child = spawn(process.execPath, [import.meta.filename, String(port)], { stdio: "ignore" });
  for (let tries = 0; (await isFree(port)) && tries < 50; tries++) await sleep(100);
  if (child.exitCode !== null) throw new Missing("the bare server did not start");
  const stop = () => endTree(child);
  return { name: "bare Node", port, domain: "a.test", pid: child.pid ?? 0, maildirs: [], stop };
}

const WORDS: Readonly<Record<string, string>> = {
  EHLO: "250-a.test\r\n250 PIPELINING\r\n",
  MAIL: "250 2.1.0 ok\r\n",
  RCPT: "550 5.1.1 nobody\r\n",
};

function serve(port: number): void {
  const server = net.createServer({ noDelay: true }, (socket) => {
    socket.on("error", () => socket.destroy());
    socket.write("220 a.test\r\n");
    socket.on("data", (line) => {
      const word = WORDS[line.toString("latin1", 0, 4)];
      if (word === undefined) socket.end("221 2.0.0 bye\r\n");
      else socket.write(word);
    });
  });
  server.listen(port, "127.0.0.1");
}

if (import.meta.main) serve(Number(process.argv[2]));
