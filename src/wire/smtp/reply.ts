// Replies of SMTP: a code, an enhanced code (RFC 2034, RFC 3463) and lines of text, formatted once.

export interface Reply {
  readonly code: number;
  /** "" where there is none. */
  readonly enhanced: string;
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
  const texts = lines.length === 0 ? [""] : lines.map(clean);
  return { code, enhanced, text: texts.at(-1) ?? "", wire: format(code, enhanced, texts) };
}

function format(code: number, enhanced: string, texts: readonly string[]): string {
  const prefix = enhanced === "" ? "" : `${enhanced} `;
  let wire = "";
  for (const [at, text] of texts.entries()) {
    const line = `${code}${at < texts.length - 1 ? "-" : " "}${prefix}${text}`;
    wire += `${line.slice(0, LINE)}\r\n`;
  }
  return wire;
}

/**
 * A refusal as it is sent: with the id of the session, which its reader can quote and `kenro log --id` finds, and with whom to ask
 * ("" for nobody). One line, because it may end as one in somebody's bounce; two where one would be too long.
 */
export function refusalWire({ code, enhanced, text }: Reply, session: string, contact: string): string {
  const help = contact === "" ? `[${session}]` : `[${session}] ${clean(contact)}`;
  const one = `${text} ${help}`;
  // "550 5.1.1 " and no more
  return format(code, enhanced, one.length <= LINE - 15 ? [one] : [text, help]);
}
