// Garbage: V8 counts its small objects, not the buffers of up to 64 KiB that they hold for what the network sent. Strangers can make us
// fill many: we count what came in, and have the buffers of the young generation collected after so many bytes.

import v8 from "node:v8";
import vm from "node:vm";
import { limits } from "#base/limits.ts";

type Collect = (options: { readonly type: "minor" | "major"; readonly flavor?: "last-resort" }) => void;

/** Given by V8 to a context made while the flag is set; a collector for the whole process. */
function collector(): Collect {
  v8.setFlagsFromString("--expose-gc");
  const collect = vm.runInNewContext("gc") as Collect;
  v8.setFlagsFromString("--no-expose-gc");
  return collect;
}

const { young, old, each, look, left, leftMost } = limits.garbage;

let collect: Collect | undefined;
let sinceYoung = 0;
/** What was in use after the last collection of everything, or less since. */
let least = Number.POSITIVE_INFINITY;
let looked = 0;
let clients = 0;
/** Clients that have left since everything was collected. */
let gone = 0;

/** So many clients are here. To collect everything takes as long as much is in use, and of thousands each may leave some garbage; so may those
 * that have left, or a crowd that comes and goes would have everything collected ten times a second. */
export function serving(count: number): void {
  if (count < clients) gone += clients - count;
  clients = count;
}

/** Bytes that what is in use may grow by until everything is collected. */
const allowance = (): number => Math.max(old, clients * each) + Math.min(leftMost, gone * left);

/** Tells of bytes that the network brought, in a buffer of their own. Collects now and then: about 1 ms for the young, 20 ms for everything when
 * what is in use has grown; small commands leave many small objects that outlive their youth. */
export function received(bytes: number): void {
  sinceYoung += bytes;
  const now = performance.now();
  if (sinceYoung < young && now - looked < look) return;
  looked = now;
  collect ??= collector();
  if (sinceYoung >= young) {
    sinceYoung = 0;
    collect({ type: "minor" });
  }
  const held = inUse();
  least = Math.min(least, held);
  if (held - least < allowance()) return;
  collect({ type: "major" });
  least = inUse();
  gone = 0;
}

/** Gives back the memory of bytes that nobody will look at again, now. What shares its memory with others stays. */
export function discard(bytes: Buffer): void {
  const memory = bytes.buffer;
  if (memory instanceof ArrayBuffer && memory.byteLength === bytes.length) memory.transfer(0);
}

/** Gives back what loading code has left behind: V8 would keep it until it needs the room, in every process. Some 20 ms. */
export function settleDown(): void {
  collect ??= collector();
  collect({ type: "major", flavor: "last-resort" });
}

/** Bytes of objects and their buffers. */
function inUse(): number {
  const { used_heap_size, external_memory } = v8.getHeapStatistics();
  return used_heap_size + external_memory;
}
