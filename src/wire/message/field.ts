// A field of a header that we add, from a name and a value that came from elsewhere: it must not end the header section, nor begin a second field.

/** RFC 5322 §2.1.1: 998 characters in a line, without its CR LF. */
const LINE = 998;

/**
 * The field with its CR LF. Line ends in the value become folds; what is neither printable ASCII nor white space becomes "?", and of lines
 * that are too long the end is left out. The name must be one (RFC 5322 §2.2).
 */
export function formatField(name: string, value: string): string {
  const lines = value
    .split(/\r\n|\r|\n/)
    .map((line) => line.replace(/[^\t -~]+/g, "?"))
    .filter((line) => line.trim() !== "");
  const [first = "", ...rest] = lines;
  const start = `${name}:${/^[\t ]/.test(first) || first === "" ? "" : " "}${first}`;
  const folded = rest.map((line) => (/^[\t ]/.test(line) ? line : `\t${line}`));
  return [start, ...folded].map((line) => `${line.slice(0, LINE)}\r\n`).join("");
}
