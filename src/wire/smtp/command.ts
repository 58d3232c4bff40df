// Command lines of SMTP: a verb, a space, and the rest. RFC 5321 §2.4: verbs are not case sensitive.

export interface Command {
  /** In upper case; "" when the line does not begin with a word. */
  readonly verb: string;
  /** What follows the first space, without trailing spaces (RFC 5321 §4.1.1 tolerates them). */
  readonly rest: string;
}

const WORD = /^[A-Za-z]+/;

/** Reads a line without its CR LF. What is not UTF-8 becomes U+FFFD, which no grammar here accepts. */
export function parseCommand(line: Buffer): Command {
  const text = line.toString("utf8");
  const verb = WORD.exec(text)?.[0] ?? "";
  const next = text[verb.length];
  // "DATA\t" or "MAIL:" is no verb followed by a space
  if (verb === "" || (next !== undefined && next !== " ")) return { verb: "", rest: "" };
  return { verb: verb.toUpperCase(), rest: next === undefined ? "" : text.slice(verb.length + 1).trimEnd() };
}
