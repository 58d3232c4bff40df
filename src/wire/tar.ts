// tar archives (POSIX.1-2017 pax, "ustar interchange format"; GNU's long names), read strictly: files and directories with plain paths below
// the archive's top, nothing else. Whoever reads one decides what to do with the paths; none of them is used here.

import { err, ok, type Result } from "#base/result.ts";

export interface TarFile {
  /** Words with "/" between, none of them "", "." or "..", no control characters. */
  readonly path: string;
  readonly bytes: Buffer;
}

export interface TarLimits {
  readonly files: number;
  /** Bytes of one file. */
  readonly file: number;
}

const BLOCK = 512;
/** Of headers that only say more about the next one. */
const LONGEST_EXTRA = 64 * 1024;

/** The files of an archive in their order, directories left out. An error is one sentence's end. */
export function readTar(archive: Buffer, most: TarLimits): Result<readonly TarFile[]> {
  const files: TarFile[] = [];
  let extra: Extra = {};
  for (let at = 0; ; ) {
    const member = readMember(archive, at, extra, most);
    if (!member.ok) return member;
    // two blocks of zeros end it; some programs write one only
    if (!member.value) return ok(files);
    const { header, bytes, next } = member.value;
    at = next;
    if (EXTRAS.has(header.type)) {
      const more = readExtra(header.type, bytes, extra);
      if (!more.ok) return more;
      extra = more.value;
      continue;
    }
    extra = {};
    const taken = takeFile(header, bytes);
    if (!taken.ok) return taken;
    if (taken.value && files.push(taken.value) > most.files)
      return err(`it has more than ${most.files} files`);
  }
}

interface Member {
  readonly header: Header;
  readonly bytes: Buffer;
  readonly next: number;
}

/** The member at `at`; undefined behind the last one. */
function readMember(archive: Buffer, at: number, extra: Extra, most: TarLimits): Result<Member | undefined> {
  const block = archive.subarray(at, at + BLOCK);
  if (block.length < BLOCK) return err("it is cut off");
  if (block.every((byte) => byte === 0)) return ok(undefined);
  const header = readHeader(block, extra);
  if (!header.ok) return header;
  const { type, size, path } = header.value;
  if (size > (EXTRAS.has(type) ? LONGEST_EXTRA : most.file))
    return err(`"${shown(path)}" in it is too large`);
  const start = at + BLOCK;
  if (start + size > archive.length) return err("it is cut off");
  const bytes = archive.subarray(start, start + size);
  return ok({ header: header.value, bytes, next: start + BLOCK * Math.ceil(size / BLOCK) });
}

/** What a header before says of the next file. */
interface Extra {
  readonly path?: string;
  readonly size?: number;
}

interface Header {
  readonly type: string;
  readonly size: number;
  readonly path: string;
}

/** x, g: pax headers for the next file and for all; L, K: GNU's long name and long link. */
const EXTRAS = new Set(["x", "g", "L", "K"]);

function readHeader(header: Buffer, extra: Extra): Result<Header> {
  if (sumOf(header) !== octal(header, 148, 8)) return err("it is no tar archive, or damaged");
  const type = String.fromCharCode(header[156] || 0x30);
  const own = octal(header, 124, 12);
  if (own === undefined) return err("it has a size that cannot be read");
  const size = EXTRAS.has(type) ? own : (extra.size ?? own);
  if (extra.path !== undefined && !EXTRAS.has(type)) return ok({ type, size, path: extra.path });
  const name = decoded(untilNul(header.subarray(0, 100)));
  // behind GNU's "ustar  " other things stand there
  const prefix =
    header.toString("latin1", 257, 263) === "ustar\0" ? decoded(untilNul(header.subarray(345, 500))) : "";
  if (name === undefined || prefix === undefined) return err("it has a name that is not UTF-8");
  return ok({ type, size, path: prefix === "" ? name : `${prefix}/${name}` });
}

/** The header's sum of bytes, with blanks in its own place. */
function sumOf(header: Buffer): number {
  let sum = 0;
  for (const [at, byte] of header.entries()) sum += at >= 148 && at < 156 ? 0x20 : byte;
  return sum;
}

function octal(header: Buffer, start: number, length: number): number | undefined {
  const text = header
    .toString("latin1", start, start + length)
    .replace(/[\0 ]+$/, "")
    .trimStart();
  return /^[0-7]{1,11}$/.test(text) ? Number.parseInt(text, 8) : undefined;
}

const untilNul = (bytes: Buffer): Buffer => {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
};

function decoded(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    // whatever the decoder says, these bytes are no text
    return undefined;
  }
}

function readExtra(type: string, bytes: Buffer, before: Extra): Result<Extra> {
  if (type === "g" || type === "K") return ok(before);
  if (type === "L") {
    const path = decoded(untilNul(bytes));
    return path === undefined ? err("it has a name that is not UTF-8") : ok({ ...before, path });
  }
  return readPax(bytes, before);
}

/** Records of `LENGTH KEY=VALUE\n`, the length that of the whole record. */
function readPax(bytes: Buffer, before: Extra): Result<Extra> {
  let extra = before;
  for (let at = 0; at < bytes.length; ) {
    const blank = bytes.indexOf(0x20, at);
    const digits = blank < 0 ? "" : bytes.toString("latin1", at, blank);
    const end = at + Number(digits);
    if (!/^\d{1,6}$/.test(digits) || end > bytes.length || end <= blank || bytes[end - 1] !== 0x0a)
      return err("it has a pax header that cannot be read");
    const more = takeRecord(decoded(bytes.subarray(blank + 1, end - 1)), extra);
    if (!more.ok) return more;
    extra = more.value;
    at = end;
  }
  return ok(extra);
}

function takeRecord(record: string | undefined, before: Extra): Result<Extra> {
  const [, key, value = ""] = /^([^=]+)=(.*)$/s.exec(record ?? "") ?? [];
  switch (key) {
    case undefined:
      return err("it has a pax header that cannot be read");
    case "path":
      return ok({ ...before, path: value });
    case "size":
      if (!/^\d{1,15}$/.test(value)) return err("it has a size that cannot be read");
      return ok({ ...before, size: Number(value) });
    default:
      return ok(before);
  }
}

function takeFile({ type, path }: Omit<Header, "size">, bytes: Buffer): Result<TarFile | undefined> {
  const plain = plainPath(path);
  if (plain === undefined) return err(`it has the path "${shown(path)}"`);
  switch (type) {
    case "0":
    case "7":
      return plain === "" || path.endsWith("/")
        ? err(`it has the path "${shown(path)}"`)
        : ok({ path: plain, bytes });
    case "5":
      return ok(undefined);
    default:
      return err(`"${shown(path)}" in it is neither a file nor a directory`);
  }
}

/** Without "./" before and "/" behind; undefined when it could lead elsewhere. */
export function plainPath(path: string): string | undefined {
  if (/[\0-\x1f\x7f\\]/.test(path)) return undefined;
  const words = path.replace(/^(?:\.\/)+/, "").replace(/\/$/, "");
  if (words === "" || words === ".") return path === "" ? undefined : "";
  return words.split("/").some((word) => word === "" || word === "." || word === "..") ? undefined : words;
}

const shown = (path: string): string => path.slice(0, 200).replaceAll(/[\0-\x1f\x7f-\x9f]/g, "?");
