// Exceptions: what the administrator says of one client, name, HELO, sender or recipient, whatever the rules say. One on each line of a
// text file: `deny from:@bad.example until 2026-09-01T00:00:00Z by ann # forged bills`.

import { formatAddress, parseNetwork } from "#base/network.ts";
import { err, ok, type Result } from "#base/result.ts";

/** What an exception can be about. */
export const exceptionKinds = ["client", "name", "helo", "from", "to"] as const;
export type ExceptionKind = (typeof exceptionKinds)[number];

export interface About {
  readonly kind: ExceptionKind;
  /** In lower case, as it is looked for: "192.0.2.0/24", ".example.org", "@example.org". */
  readonly value: string;
}

export interface Exception extends About {
  readonly verdict: "allow" | "deny";
  /** ms since 1970 from which on it does not count; undefined: it always does. */
  readonly until: number | undefined;
  /** Who made it; "" when nobody says. */
  readonly by: string;
  readonly comment: string;
}

/**
 * What somebody means: `client:192.0.2.0/24`, `name:.example.org`, `helo:pc-12`, `from:@example.org`, `to:ann@example.org`. Without the word,
 * an address or network is a client, what has an "@" a sender, and any other name that of a client.
 */
export function parseAbout(text: string): Result<About> {
  const [, word = "", rest = ""] = /^([a-z]+):(.*)$/i.exec(text) ?? [];
  const kind = exceptionKinds.find((each) => each === word.toLowerCase());
  if (kind) return aboutOf(kind, rest.toLowerCase());
  const value = text.toLowerCase();
  if (parseNetwork(value).ok) return aboutOf("client", value);
  if (value.includes("@")) return aboutOf("from", value);
  return aboutOf("name", value);
}

const NAME = /^\.?(?:[a-z0-9_-]+\.)*[a-z0-9_-]+$/;
const HELO = /^[!-~\u0080-\uffff]+$/;
const ADDRESS = /^(?:[!-?A-~\u0080-\uffff]*@[a-z0-9_.:[\]\u0080-\uffff-]+|\.[a-z0-9_.\u0080-\uffff-]+)$/;

function aboutOf(kind: ExceptionKind, value: string): Result<About> {
  if (value === "") return err(`"${kind}:" is about nobody`);
  switch (kind) {
    case "client":
      return clientOf(value);
    case "name":
      if (NAME.test(value)) return ok({ kind, value });
      return err(`"${value}" is neither an address nor a name such as "mail.example.org" or ".example.org"`);
    case "helo":
      return HELO.test(value) ? ok({ kind, value }) : err(`"${value}" cannot be a HELO`);
    default:
      if (ADDRESS.test(value)) return ok({ kind, value });
      return err(`"${value}" is no address such as "user@example.org", "@example.org" or ".example.org"`);
  }
}

function clientOf(value: string): Result<About> {
  const network = parseNetwork(value);
  if (!network.ok) return err(`Cannot read client "${value}": ${network.error}`);
  const { bytes, bits } = network.value;
  const address = formatAddress(bytes);
  return ok({ kind: "client", value: bits === 8 * bytes.length ? address : `${address}/${bits}` });
}

/** Reads one line; undefined for one without content. */
export function parseException(line: string): Result<Exception | undefined> {
  const hash = /(?:^|\s)#/.exec(line);
  const body = line.slice(0, hash?.index).trim();
  const comment = hash ? line.slice(hash.index + hash[0].length).trim() : "";
  if (body === "") return ok(undefined);
  const [, verdict, what = "", rest = ""] = /^(allow|deny)\s+(\S+)(.*)$/i.exec(body) ?? [];
  if (verdict === undefined) return bad(line);
  const about = parseAbout(what);
  if (!about.ok) return about;
  const [, until, by = ""] = /^(?:\s+until\s+(\S+))?(?:\s+by\s+(\S+))?$/i.exec(rest) ?? [undefined];
  const ends = until === undefined ? undefined : Date.parse(until);
  if (ends !== undefined && Number.isNaN(ends))
    return err(`"${until}" is no time such as 2026-09-01T00:00:00Z`);
  if (rest !== "" && until === undefined && by === "") return bad(line);
  const said = verdict.toLowerCase() === "allow" ? "allow" : "deny";
  return ok({ ...about.value, verdict: said, until: ends, by, comment });
}

const bad = (line: string): Result<never> =>
  err(`Cannot read "${line.trim()}": expected "allow" or "deny", what, "until TIME", "by NAME", "# comment"`);

/** The line that parseException() reads. */
export function formatException({ verdict, kind, value, until, by, comment }: Exception): string {
  const words = [verdict, `${kind}:${value}`];
  if (until !== undefined) words.push("until", new Date(until).toISOString().replace(/\.\d+Z$/, "Z"));
  if (by !== "") words.push("by", by.replaceAll(/[\s#]+/g, "-"));
  const plain = comment.replaceAll(/[\0-\x1f\x7f]+/g, " ").trim();
  if (plain !== "") words.push("#", plain);
  return words.join(" ");
}
