// Replies of SMTP: a code, an enhanced code (RFC 2034, RFC 3463) and lines of text, formatted once.

export interface Reply {
  readonly code: number;
  /** The last line without its codes; for the log. */
  readonly text: string;
  /** As it is sent. */
  readonly wire: string;
}

/** RFC 5321 §4.5.3.1.5: a reply line has at most 512 octets with its CR LF. */
const LINE = 510;

/** Texts may come from elsewhere: what is not printable ASCII would break the line or hide in it. */
function clean(text: string): string {
  return text.replace(/[^ -~]+/g, "?");
}

/** A reply; `enhanced` is "" where there is none (greetings, EHLO, 3yz: RFC 2034 §4). The texts may be anything. */
export function reply(code: number, enhanced: string, ...lines: readonly string[]): Reply {
  const texts = lines.length === 0 ? [""] : lines;
  const prefix = enhanced === "" ? "" : `${enhanced} `;
  let wire = "";
  for (const [at, text] of texts.entries()) {
    const line = `${code}${at < texts.length - 1 ? "-" : " "}${prefix}${clean(text)}`;
    wire += `${line.slice(0, LINE)}\r\n`;
  }
  return { code, text: clean(texts.at(-1) ?? ""), wire };
}
