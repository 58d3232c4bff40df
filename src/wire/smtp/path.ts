// Paths and parameters of MAIL and RCPT (RFC 5321 §4.1.2). Strict, but for what named clients get wrong.

import { limits } from "#base/limits.ts";
import { err, ok, type Result } from "#base/result.ts";

/** RFC 5321 §4.1.2: Dot-string or Quoted-string. */
const DOT_STRING = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/;
const QUOTED = /^"(?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\[\x20-\x7e])*"$/;
const DOMAIN =
  /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/;
const LITERAL_V4 = /^\[(?:\d{1,3})(?:\.\d{1,3}){3}\]$/;
const LITERAL_V6 = /^\[IPv6:[0-9A-Fa-f:.]{2,45}\]$/i;

/** `local@domain` with the domain in lower case, or what is wrong with it. */
export function parseMailbox(text: string): Result<string> {
  const at = text.lastIndexOf("@");
  if (at < 0) return err("an address needs a domain");
  const [local, domain] = [text.slice(0, at), text.slice(at + 1)];
  // RFC 5321 §4.5.3.1
  if (
    local.length > limits.smtp.localPart ||
    domain.length > limits.smtp.domain ||
    text.length > limits.smtp.path
  ) {
    return err("the address is too long");
  }
  if (!DOT_STRING.test(local) && !QUOTED.test(local)) return err("the local part is not valid");
  if (!DOMAIN.test(domain) && !isLiteral(domain)) return err("the domain is not valid");
  return ok(`${local}@${domain.toLowerCase()}`);
}

function isLiteral(domain: string): boolean {
  if (LITERAL_V4.test(domain))
    return domain
      .slice(1, -1)
      .split(".")
      .every((part) => Number(part) <= 255);
  return LITERAL_V6.test(domain);
}

export interface PathArgument {
  /** `local@domain`; "" for the null path; "postmaster" alone stays alone. */
  readonly address: string;
  /** Names in upper case. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** What stands behind "MAIL FROM:" or "RCPT TO:". A space before "<" is taken, because old Outlook versions send it. */
export function parsePath(text: string, kind: "reverse" | "forward"): Result<PathArgument> {
  const found = /^ ?<((?:"(?:[^"\\]|\\.)*"|[^">])*)>(.*)$/.exec(text);
  if (!found) return err("the address must stand in angle brackets");
  const [, inside = "", rest = ""] = found;
  const parameters = parseParameters(rest);
  if (!parameters.ok) return parameters;
  if (inside === "" && kind === "reverse") return ok({ address: "", parameters: parameters.value });
  // RFC 5321 §4.1.1.3: postmaster without a domain
  if (kind === "forward" && /^postmaster$/i.test(inside))
    return ok({ address: "postmaster", parameters: parameters.value });
  // RFC 5321 §4.1.1.3: source routes are dropped
  const mailbox = parseMailbox(inside.replace(/^@[^:]*:/, ""));
  return mailbox.ok ? ok({ address: mailbox.value, parameters: parameters.value }) : mailbox;
}

function parseParameters(text: string): Result<ReadonlyMap<string, string>> {
  const parameters = new Map<string, string>();
  if (text !== "" && !text.startsWith(" ")) return err("a space must stand behind the address");
  for (const word of text.split(" ").filter((each) => each !== "")) {
    const found = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:=([\x21-\x3c\x3e-\x7e]+))?$/.exec(word);
    const name = found?.[1]?.toUpperCase();
    if (!name || parameters.has(name)) return err("the parameters are not valid");
    parameters.set(name, found?.[2] ?? "");
  }
  return ok(parameters);
}
