// Which servers qmqpc asks (docs/qmtp.md).

import fs from "node:fs";
import net from "node:net";
import { codeOf } from "#base/problem.ts";

export interface Server {
  readonly address: string;
  readonly port: number;
}

const QMQP = 628;

/** `192.0.2.1`, `192.0.2.1:1628`, `2001:db8::1` or `[2001:db8::1]:628`; undefined for what is no address. */
export function parseServer(text: string): Server | undefined {
  if (net.isIP(text) !== 0) return { address: text, port: QMQP };
  const found = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const [, six, four = six ?? "", digits] = found ?? [];
  const port = Number(digits);
  return net.isIP(four) !== 0 && port > 0 && port <= 65_535 ? { address: four, port } : undefined;
}

/** As qmail's control/qmqpservers: one a line; comments and what is no address are passed by. */
export const parseServers = (text: string): readonly Server[] =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .flatMap((line) => parseServer(line) ?? []);

const FILES = ["/etc/kenro/qmqpservers", "/var/qmail/control/qmqpservers"];

/** Those of the command line, else those of the first file that is there: KENRO_QMQPSERVERS, then the usual ones. Throws when it cannot be read. */
export function findServers(words: readonly string[], file: string | undefined): readonly Server[] {
  if (words.length > 0) return words.flatMap((word) => parseServer(word) ?? []);
  for (const each of file ? [file] : FILES) {
    try {
      return parseServers(fs.readFileSync(each, "utf8"));
    } catch (thrown) {
      if (codeOf(thrown) !== "ENOENT") throw thrown;
    }
  }
  return [];
}
