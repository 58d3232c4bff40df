// Names of entries in a directory database (badhelodir and its kind): one file for each entry, its name is the entry, nobody looks inside.

import { err, ok, type Result } from "#base/result.ts";

/** The longest file name that Linux takes. */
const LONGEST = 255;

/**
 * The file name for an entry, in lower case as look-ups are, or why there can be none. Two dots inside are harmless ("a..b@docomo.example" is an
 * address that exists); the names "." and ".." are directories.
 */
export function entryName(entry: Buffer): Result<string> {
  const text = decoded(entry);
  if (text === undefined) return err("it is not UTF-8");
  if (text === "") return err("it is empty");
  if (text === "." || text === "..") return err("it is the name of a directory");
  if (text.includes("/")) return err('it has a "/"');
  if (/[\0-\x1f\x7f]/.test(text))
    return err(text.includes("\0") ? "it has a NUL" : "it has a control character");
  const name = text.toLowerCase();
  if (Buffer.byteLength(name) > LONGEST) return err(`it is longer than ${LONGEST} bytes`);
  return ok(name);
}

function decoded(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    // whatever the decoder says, these bytes are no text
    return undefined;
  }
}

export interface Listed {
  readonly line: number;
  readonly name: Result<string>;
  /** As the file has it, for messages. */
  readonly text: string;
}

/** The entries of a list, one on each line; blanks around them, empty lines and comments ("#") do not count. */
export function* listedEntries(list: Buffer): Generator<Listed> {
  let line = 1;
  for (let start = 0; start < list.length; line++) {
    const feed = list.indexOf(10, start);
    const end = feed < 0 ? list.length : feed;
    const entry = withoutBlanks(list.subarray(start, end));
    start = end + 1;
    if (entry.length === 0 || entry[0] === COMMENT) continue;
    yield { line, name: entryName(entry), text: entry.toString() };
  }
}

const COMMENT = 0x23;
const BLANKS: readonly (number | undefined)[] = [0x20, 0x09, 0x0d];

function withoutBlanks(bytes: Buffer): Buffer {
  let start = 0;
  let end = bytes.length;
  while (start < end && BLANKS.includes(bytes[start])) start++;
  while (end > start && BLANKS.includes(bytes[end - 1])) end--;
  return bytes.subarray(start, end);
}
