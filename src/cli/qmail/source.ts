// A qmail installation as its files are, for reading only.

import fs from "node:fs";
import path from "node:path";
import { codeOf, messageOf } from "#base/problem.ts";
import { inspectCdb } from "#wire/cdb.ts";

/** What something is for in the end: as it was found, or why it could not be read. */
export interface Unread {
  readonly source: string;
  readonly reason: string;
}

export interface QmailSite {
  readonly directory: string;
  /** Files of control/, by name. */
  readonly control: ReadonlyMap<string, string>;
  /** Keys of control/morercpthosts.cdb. */
  readonly moreHosts: readonly string[];
  readonly assign: string | undefined;
  /** ~alias/.qmail-NAME, by name. */
  readonly aliases: ReadonlyMap<string, string>;
  /** Rules for tcpserver, with the name of their file. */
  readonly rules: { readonly file: string; readonly text: string } | undefined;
  readonly unread: readonly Unread[];
}

/** Text of a file, bytes as characters; far more than any of them has. */
const MOST = 16 * 1024 * 1024;

const MORE = "morercpthosts.cdb";
const QMAIL = ".qmail-";

class Reading {
  readonly unread: Unread[] = [];
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** undefined: there is none, or it cannot be read, which is noted. */
  bytes(source: string): Buffer | undefined {
    try {
      const at = path.resolve(this.#directory, source);
      const { size } = fs.statSync(at);
      if (size > MOST) throw new Error(`it has ${size} bytes`);
      return fs.readFileSync(at);
    } catch (thrown) {
      if (codeOf(thrown) !== "ENOENT") this.unread.push({ source, reason: messageOf(thrown) });
      return undefined;
    }
  }

  text(source: string): string | undefined {
    return this.bytes(source)?.toString("latin1");
  }

  /** Names of files in a directory; none when it is not there. */
  names(source: string): readonly string[] {
    try {
      return fs
        .readdirSync(path.join(this.#directory, source), { withFileTypes: true })
        .filter((each) => !each.isDirectory())
        .map(({ name }) => name)
        .sort();
    } catch (thrown) {
      if (codeOf(thrown) !== "ENOENT") this.unread.push({ source, reason: messageOf(thrown) });
      return [];
    }
  }

  texts(source: string, names: readonly string[]): ReadonlyMap<string, string> {
    return new Map(
      names.flatMap((name) => {
        const text = this.text(`${source}/${name}`);
        return text === undefined ? [] : [[name, text] as const];
      }),
    );
  }
}

/** Where rules for tcpserver lie, as Life with qmail and the ports put them; the first that there is. */
const ruleFiles = (given: string | undefined): readonly string[] =>
  given === undefined ? ["control/tcp.smtp", "etc/tcp.smtp", "tcp.smtp"] : [path.resolve(given)];

/** Reads the installation in `directory`. `rules`: the file of tcprules, if somebody has named it. */
export function readSite(directory: string, rules: string | undefined): QmailSite {
  const reading = new Reading(directory);
  const names = reading
    .names("control")
    .filter((name) => !name.endsWith(".cdb") && !ruleFiles(undefined).includes(`control/${name}`));
  const files = reading.names("alias").filter((name) => name.startsWith(QMAIL));
  const aliases = reading.texts("alias", files);
  const found = ruleFiles(rules).flatMap((file) => {
    const text = reading.text(file);
    return text === undefined ? [] : [{ file, text }];
  });
  if (
    rules !== undefined &&
    found.length === 0 &&
    !reading.unread.some(({ source }) => source === path.resolve(rules))
  )
    reading.unread.push({ source: rules, reason: "there is no such file" });
  return {
    directory,
    control: reading.texts("control", names),
    moreHosts: moreHosts(reading),
    assign: reading.text("users/assign"),
    aliases: new Map([...aliases].map(([name, text]) => [name.slice(QMAIL.length), text])),
    rules: found[0],
    unread: reading.unread,
  };
}

function moreHosts(reading: Reading): readonly string[] {
  const bytes = reading.bytes(`control/${MORE}`);
  if (!bytes) return [];
  const keys: string[] = [];
  const flaw = inspectCdb(bytes, ({ key }) => void keys.push(key.toString("latin1")));
  if (flaw !== undefined) reading.unread.push({ source: `control/${MORE}`, reason: flaw });
  return keys;
}
