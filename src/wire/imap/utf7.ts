// Mailbox names in modified UTF-7 (RFC 3501 §5.1.3).

import { err, ok, type Result } from "#base/result.ts";

/** A name as IMAP4rev1 writes it. */
export function formatUtf7(name: string): string {
  return name.replaceAll(/&|[^\x20-\x7e]+/g, (part) => {
    if (part === "&") return "&-";
    const bytes = Buffer.from(part, "utf16le").swap16();
    return `&${bytes.toString("base64").replaceAll("/", ",").replace(/=+$/, "")}-`;
  });
}

/** The name meant by modified UTF-7. */
export function parseUtf7(text: string): Result<string> {
  if (/[^\x20-\x7e]/.test(text)) return err("the mailbox name is not valid");
  let wrong = false;
  const name = text.replaceAll(/&([^-]*)(-?)/g, (_, coded: string, dash: string) => {
    if (coded === "" && dash === "-") return "&";
    if (dash !== "-" || !/^[A-Za-z0-9+,]+$/.test(coded)) {
      wrong = true;
      return "";
    }
    const bytes = Buffer.from(coded.replaceAll(",", "/"), "base64");
    if (bytes.length % 2 !== 0) {
      wrong = true;
      return "";
    }
    return bytes.swap16().toString("utf16le");
  });
  return wrong || formatUtf7(name) !== text ? err("the mailbox name is not valid modified UTF-7") : ok(name);
}
