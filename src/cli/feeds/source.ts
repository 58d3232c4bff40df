// Where feeds come from: a directory, an archive, a URL of one, a git repository. Whatever it is, what comes of it is a list of paths and
// bytes; no path of it is ever used on this disk.

import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { limits } from "#base/limits.ts";
import { codeOf, messageOf } from "#base/problem.ts";
import type { FeedFile } from "#policy/feeds/feed.ts";
import { download } from "#sys/download.ts";
import { outputOf } from "#sys/program.ts";
import { plainPath, readTar } from "#wire/tar.ts";
import { Refusal, usage } from "../exit.ts";
import { readInput } from "../input.ts";

const GIT = /^git\+|^(?:https|ssh|git|file):\/\/.*\.git(?:#|$)|^[\w.-]+@[\w.-]+:/;

/** A source as it is remembered: local paths whole. `signed`: a key was given, so that it may come in clear. */
export function sourceOf(text: string, signed: boolean): string {
  if (/[\0-\x20\x7f]/.test(text) && /^[a-z+]+:/.test(text)) throw usage(`"${text}" is no source`);
  if (GIT.test(text) || text.startsWith("https://")) return text;
  if (text.startsWith("http://")) {
    if (signed) return text;
    throw usage("A feed that comes by http: can be changed on its way; use https:, or give --key");
  }
  if (/^[a-z][a-z+]*:\/\//.test(text))
    throw usage(`Cannot fetch "${text}": expected a directory, a .tar.gz, https: or git+https:`);
  return path.resolve(text);
}

/** All files of a source. Refusal when it is no feed; Trouble when it cannot be reached. */
export async function loadSource(source: string): Promise<readonly FeedFile[]> {
  if (GIT.test(source)) return unpacked(await gitArchive(source), source);
  if (/^https?:\/\//.test(source)) {
    const { archive: bytes, time, redirections } = limits.feeds;
    return unpacked(await download(source, { bytes, time, redirections }), source);
  }
  const found = fs.statSync(source, { throwIfNoEntry: false });
  if (!found) throw new Refusal(`Cannot read "${source}": there is no such directory or archive`);
  if (found.isDirectory()) return new Walk(source).files();
  return unpacked(await readInput(source, limits.feeds.archive), source);
}

function unpacked(bytes: Buffer, source: string): readonly FeedFile[] {
  const refuse = (why: string) => new Refusal(`Cannot use the archive "${source}": ${why}`);
  let plain = bytes;
  // RFC 1952 §2.3.1
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
    try {
      plain = gunzipSync(bytes, { maxOutputLength: limits.feeds.unpacked });
    } catch (thrown) {
      const large = codeOf(thrown) === "ERR_BUFFER_TOO_LARGE";
      throw refuse(large ? `it unpacks to more than ${limits.feeds.unpacked} bytes` : messageOf(thrown));
    }
  }
  const { entries, file } = limits.feeds;
  const read = readTar(plain, { files: 2 * entries, file });
  if (!read.ok) throw refuse(read.error);
  return read.value;
}

/** The newest state of a repository, or of the branch behind "#", as git packs it: nothing is checked out. */
async function gitArchive(source: string): Promise<Buffer> {
  const [url = "", branch] = source.replace(/^git\+/, "").split("#");
  const place = fs.mkdtempSync(path.join(tmpdir(), "kenro-feed-"));
  const repository = path.join(place, "repository");
  const environment = {
    PATH: process.env["PATH"] ?? "/usr/bin:/bin",
    HOME: process.env["HOME"] ?? place,
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_TERMINAL_PROMPT: "0",
    // no ext::, which runs programs
    GIT_ALLOW_PROTOCOL: "https:ssh:git:file",
    // nobody is there to be asked
    GIT_SSH_COMMAND: "ssh -o BatchMode=yes",
    ...handedOn("SSH_AUTH_SOCK", "GIT_SSL_CAINFO"),
  };
  const { unpacked: bytes, time } = limits.feeds;
  const git = (...words: readonly string[]) => outputOf("git", words, { environment, bytes, time });
  try {
    const wanted = branch === undefined ? [] : [`--branch=${branch}`];
    const clone = ["clone", "--quiet", "--bare", "--depth=1", "--no-tags", "--template=", ...wanted];
    await git(...clone, "--", url, repository);
    return await git(`--git-dir=${repository}`, "archive", "--format=tar", "HEAD");
  } finally {
    fs.rmSync(place, { recursive: true, force: true });
  }
}

/** Of our environment, what is there. */
const handedOn = (...names: readonly string[]): Readonly<Record<string, string>> =>
  Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));

/** Versioning systems keep their own files in every directory. */
const SKIPPED = new Set(["CVS", ".git", ".svn", "RCS"]);
/** badhelodir/unknown/NAME; what lies deeper is none of ours. */
const DEPTH = 3;

/** A directory on this machine. Links are not followed: what they lead to is not the feed's. */
class Walk {
  readonly #root: string;
  readonly #files: FeedFile[] = [];
  #bytes = 0;

  constructor(root: string) {
    this.#root = root;
  }

  files(): readonly FeedFile[] {
    this.#enter("", 1);
    return this.#files;
  }

  #enter(below: string, depth: number): void {
    const found = fs.readdirSync(path.join(this.#root, below), { withFileTypes: true, encoding: "buffer" });
    for (const entry of found) {
      const name = entry.name.toString();
      const at = below === "" ? name : `${below}/${name}`;
      if (!Buffer.from(name).equals(entry.name) || plainPath(at) !== at)
        throw new Refusal(`Cannot use "${this.#root}": the name of ${JSON.stringify(at)} cannot be an entry`);
      if (entry.isDirectory()) {
        if (!SKIPPED.has(name) && depth < DEPTH) this.#enter(at, depth + 1);
      } else if (entry.isFile()) this.#take(at);
      else throw new Refusal(`Cannot use "${this.#root}": "${at}" is neither a file nor a directory`);
    }
  }

  #take(at: string): void {
    const file = path.join(this.#root, at);
    const { size } = fs.statSync(file);
    const { entries, file: most, unpacked: all } = limits.feeds;
    this.#bytes += size;
    if (size > most || this.#bytes > all || this.#files.length >= 2 * entries)
      throw new Refusal(`Cannot use "${this.#root}": it is too large (at "${at}")`);
    this.#files.push({ path: at, bytes: size === 0 ? Buffer.alloc(0) : fs.readFileSync(file) });
  }
}
