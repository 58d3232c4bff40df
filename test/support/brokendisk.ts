// A disk in memory that keeps apart what was written and what would survive. It can fail or stop at its k-th operation, and shows what
// a crash might leave: unsynced writes kept, dropped or torn, unsynced names there or not, all from a seed.

import path from "node:path";
import { Trouble } from "#base/problem.ts";
import type { Disk, DiskFile, DiskStat } from "#sys/disk.ts";

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface Fault {
  /** Number of the operation that changes something, from 1. */
  readonly at: number;
  /** "stop": nothing answers any more, as after kill -9. */
  readonly kind: "stop" | "ENOSPC" | "EIO";
  /** How many operations fail; 1. */
  readonly times?: number;
  /** Only operations of this name count. */
  readonly only?: string;
}

/** Disks tear between sectors, not inside them. */
const SECTOR = 512;

class Inode {
  content: Buffer = Buffer.alloc(0);
  /** What is certainly on disk. */
  durable: Buffer = Buffer.alloc(0);
  /** Starts of sectors that were written and not synced. */
  readonly dirty = new Set<number>();
  readonly mtimeMs: number;
  readonly number: number;
  static #numbers = 0;

  constructor(mtimeMs: number) {
    this.mtimeMs = mtimeMs;
    this.number = ++Inode.#numbers;
  }

  write(chunk: Buffer, position: number): void {
    this.resize(Math.max(this.content.length, position + chunk.length));
    chunk.copy(this.content, position);
    const first = position - (position % SECTOR);
    for (let at = first; at < position + chunk.length; at += SECTOR) this.dirty.add(at);
  }

  resize(size: number): void {
    if (size <= this.content.length) {
      this.content = this.content.subarray(0, size);
      return;
    }
    const grown = Buffer.alloc(size);
    this.content.copy(grown);
    this.content = grown;
  }

  /** Makes sectors durable; only inside the durable size, unless that grows too. */
  sync(withSize: boolean): void {
    const size = withSize ? this.content.length : Math.min(this.durable.length, this.content.length);
    if (withSize && size !== this.durable.length) {
      const durable = Buffer.alloc(size);
      this.durable.copy(durable);
      this.durable = durable;
    }
    for (const at of this.dirty) {
      if (at >= size) continue;
      this.content.copy(this.durable, at, at, Math.min(at + SECTOR, size));
      this.dirty.delete(at);
    }
  }

  /** What a crash leaves of it; `keep` decides for each sector. */
  crashed(keep: () => boolean): Inode {
    const left = new Inode(this.mtimeMs);
    const size = keep() ? Math.max(this.content.length, this.durable.length) : this.durable.length;
    left.durable = Buffer.alloc(size);
    this.durable.copy(left.durable);
    for (const at of this.dirty) {
      if (at < size && keep()) this.content.copy(left.durable, at, at, Math.min(at + SECTOR, size));
    }
    left.content = Buffer.from(left.durable);
    return left;
  }

  /** What the death of a process leaves of it: everything, durable or not. */
  killed(): Inode {
    const left = new Inode(this.mtimeMs);
    left.content = Buffer.from(this.content);
    left.durable = Buffer.from(this.durable);
    for (const at of this.dirty) left.dirty.add(at);
    return left;
  }

  /** A failed sync: some of it is on disk, the rest never will be, and no later sync tells. */
  lose(keep: () => boolean): void {
    for (const at of this.dirty) {
      if (at < this.durable.length && keep()) this.content.copy(this.durable, at, at, at + SECTOR);
    }
    this.dirty.clear();
  }
}

export class BrokenDisk implements Disk {
  /** Operations so far that change something. */
  operations = 0;
  readonly counts = new Map<string, number>();
  /** Runs inside every sync, before it takes effect. */
  onSync: () => Promise<void> = () => new Promise((resolve) => setImmediate(resolve));
  freeBytes = Number.MAX_SAFE_INTEGER;
  readonly #random: () => number;
  #names = new Map<string, Inode>();
  #durableNames = new Map<string, Inode>();
  readonly #directories = new Set<string>(["/", "."]);
  #fault: Fault | undefined;
  #faulted = 0;
  #stopped = false;
  readonly #whenStopped = Promise.withResolvers<void>();

  constructor(seed = 1, fault?: Fault) {
    this.#random = seeded(seed);
    this.#fault = fault;
  }

  set fault(fault: Fault | undefined) {
    this.#fault = fault;
    this.#faulted = 0;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  get whenStopped(): Promise<void> {
    return this.#whenStopped.promise;
  }

  /** Nothing answers from now on. */
  stop(): void {
    this.#stopped = true;
    this.#whenStopped.resolve();
  }

  /** The disk as the next start finds it: `chance` is that of each unsynced sector and name to have made it. */
  crash(seed: number, chance: number): BrokenDisk {
    const random = seeded(seed);
    const keep = () => random() < chance;
    const left = new BrokenDisk(seed);
    for (const each of this.#directories) left.#directories.add(each);
    const copies = new Map<Inode, Inode>();
    const copy = (inode: Inode) => {
      const known = copies.get(inode) ?? inode.crashed(keep);
      copies.set(inode, known);
      return known;
    };
    for (const name of new Set([...this.#names.keys(), ...this.#durableNames.keys()])) {
      const volatile = this.#names.get(name);
      const durable = this.#durableNames.get(name);
      const found = volatile !== durable && keep() ? volatile : durable;
      if (found) left.#names.set(name, copy(found));
    }
    left.#durableNames = new Map(left.#names);
    return left;
  }

  /** The disk as the next start finds it after kill -9: all that was written can be read, and what was not synced is still not durable. */
  killed(seed: number): BrokenDisk {
    const left = new BrokenDisk(seed);
    for (const each of this.#directories) left.#directories.add(each);
    const copies = new Map<Inode, Inode>();
    const copy = (inode: Inode) => {
      const known = copies.get(inode) ?? inode.killed();
      copies.set(inode, known);
      return known;
    };
    for (const [name, inode] of this.#names) left.#names.set(name, copy(inode));
    for (const [name, inode] of this.#durableNames) left.#durableNames.set(name, copy(inode));
    return left;
  }

  /** Changes bytes on disk behind everybody's back. */
  spoil(name: string, change: (content: Buffer) => void): void {
    const inode = this.#names.get(path.normalize(name));
    if (!inode) throw new Error(`No file "${name}"`);
    change(inode.content);
    inode.durable = Buffer.from(inode.content);
  }

  // ---- Disk ----

  async create(name: string, _mode: number): Promise<DiskFile> {
    const at = path.normalize(name);
    await this.#step("create");
    if (this.#names.has(at)) throw trouble("create", "EEXIST");
    const inode = new Inode(0);
    this.#names.set(at, inode);
    return this.#file(inode);
  }

  async open(name: string): Promise<DiskFile> {
    const file = await this.openRead(name);
    if (!file) throw trouble("open", "ENOENT");
    return file;
  }

  async openRead(name: string): Promise<DiskFile | undefined> {
    await this.#alive();
    const inode = this.#names.get(path.normalize(name));
    return inode && this.#file(inode);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#step("rename");
    const inode = this.#names.get(path.normalize(from));
    if (!inode) throw trouble("rename", "ENOENT");
    this.#names.delete(path.normalize(from));
    this.#names.set(path.normalize(to), inode);
  }

  async link(from: string, to: string): Promise<void> {
    await this.#step("link");
    const inode = this.#names.get(path.normalize(from));
    if (!inode) throw trouble("link", "ENOENT");
    if (this.#names.has(path.normalize(to))) throw trouble("link", "EEXIST");
    this.#names.set(path.normalize(to), inode);
  }

  async removeTree(name: string): Promise<void> {
    for (const inside of await this.list(name)) await this.remove(`${name}/${inside}`);
  }

  async remove(name: string): Promise<boolean> {
    await this.#step("remove");
    return this.#names.delete(path.normalize(name));
  }

  async makeDirectory(name: string, _mode: number): Promise<void> {
    await this.#alive();
    this.#directories.add(path.normalize(name));
  }

  async syncDirectory(name: string): Promise<void> {
    await this.#step("syncDirectory");
    const at = path.normalize(name);
    for (const each of new Set([...this.#names.keys(), ...this.#durableNames.keys()])) {
      if (path.dirname(each) !== at) continue;
      const inode = this.#names.get(each);
      if (inode) this.#durableNames.set(each, inode);
      else this.#durableNames.delete(each);
    }
  }

  async list(name: string): Promise<readonly string[]> {
    await this.#alive();
    const at = path.normalize(name);
    return [...this.#names.keys()]
      .filter((each) => path.dirname(each) === at)
      .map((each) => path.basename(each));
  }

  async stat(name: string): Promise<DiskStat | undefined> {
    await this.#alive();
    const at = path.normalize(name);
    const place = { size: 0, mtimeMs: 0, changedMs: 0, inode: 0, device: 0, directory: true, regular: false };
    if (this.#directories.has(at)) return place;
    const inode = this.#names.get(at);
    if (!inode) return undefined;
    const { content, mtimeMs, number } = inode;
    return {
      size: content.length,
      mtimeMs,
      changedMs: mtimeMs,
      inode: number,
      device: 0,
      directory: false,
      regular: true,
    };
  }

  async free(_name: string): Promise<number> {
    await this.#alive();
    return this.freeBytes;
  }

  // ---- inside ----

  #file(inode: Inode): DiskFile {
    const keep = () => this.#random() < 0.5;
    return {
      read: async (into, offset, length, position) => {
        await this.#alive();
        if (position >= inode.content.length) return 0;
        return inode.content.copy(into, offset, position, Math.min(position + length, inode.content.length));
      },
      write: async (chunks, position) => {
        // a write that fails or is cut off may have done a part of its work
        const all = Buffer.concat(chunks);
        await this.#step("write", () =>
          inode.write(all.subarray(0, Math.floor(this.#random() * all.length)), position),
        );
        inode.write(all, position);
      },
      syncData: async () => {
        await this.onSync();
        await this.#step("syncData", () => inode.lose(keep));
        inode.sync(false);
      },
      sync: async () => {
        await this.onSync();
        await this.#step("sync", () => inode.lose(keep));
        inode.sync(true);
      },
      truncate: async (size) => {
        await this.#step("truncate");
        inode.resize(size);
      },
      size: async () => {
        await this.#alive();
        return inode.content.length;
      },
      close: () => this.#alive(),
    };
  }

  async #alive(): Promise<void> {
    if (this.#stopped) await new Promise(() => {});
  }

  /** One operation that changes something: counted, and perhaps the one that fails; `partly` is what it does then. */
  async #step(name: string, partly: () => void = () => {}): Promise<void> {
    await this.#alive();
    this.operations++;
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    const fault = this.#fault;
    if (!fault || (fault.only !== undefined && fault.only !== name)) return;
    this.#faulted++;
    if (this.#faulted < fault.at || this.#faulted >= fault.at + (fault.times ?? 1)) return;
    if (fault.kind === "stop") {
      // cut off in the middle: nothing of a sync is certain
      if (name === "write") partly();
      this.stop();
      return this.#alive();
    }
    partly();
    throw trouble(name, fault.kind);
  }
}

function trouble(operation: string, code: string): Trouble {
  return new Trouble(operation, `Cannot ${operation}: ${code}`, { code });
}
