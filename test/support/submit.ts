// Mail from a user of the server, by submission.

import tls from "node:tls";
import type { World } from "./world.ts";

/** Submits as ann, one line after the other; what the server answered. */
export async function submit(world: World, lines: readonly string[]): Promise<string> {
  const socket = tls.connect({ port: world.port(465), host: "127.0.0.1", rejectUnauthorized: false });
  let said = "";
  let heard = () => {};
  socket.on("data", (chunk: Buffer) => {
    said += chunk.toString();
    heard();
  });
  const answered = (from: number) =>
    new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer: ${said}`)), 10_000);
      heard = () => {
        if (!/^\d{3} .*\r\n$/m.test(said.slice(from))) return;
        clearTimeout(timer);
        resolve();
      };
      heard();
    });
  await answered(0);
  const login = Buffer.from("\0ann@a.test\0secret-pw").toString("base64");
  for (const line of ["EHLO c.test", `AUTH PLAIN ${login}`, ...lines, "QUIT"]) {
    const from = said.length;
    socket.write(`${line}\r\n`);
    await answered(from);
  }
  socket.destroy();
  return said;
}
