// The end of a connection: what was sent last must reach a client that is still sending. To close with unread bytes makes the kernel
// answer them with a reset, and the client's kernel then throws away what its program has not read yet.

import type { Socket } from "node:net";
import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";

export interface Patience {
  /** How long the client may take to close its side, ms. */
  readonly time: number;
  /** What it may still send, which is thrown away. */
  readonly bytes: number;
}

/**
 * Sends what is left and the end, then discards what comes until the peer ends too or the patience is over. The socket must have a
 * listener for "error" and no other for "data".
 */
export function linger(socket: Socket, clock: Clock, { time, bytes }: Patience = limits.linger): void {
  if (socket.destroyed) return;
  let left = bytes;
  socket.on("data", (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) return void socket.destroy();
    // a peer that floods must not keep others from their turn
    socket.pause();
    setImmediate(() => socket.resume());
  });
  const timer = clock.after(time, () => socket.destroy());
  socket.once("close", () => timer.cancel());
  socket.end();
  socket.resume();
}
