// The text of a message as people read it, for searching: transfer encodings undone, charsets as Unicode. Never fails on garbage.

import { firstValue } from "./header.ts";
import type { Part } from "./mime.ts";

/** Bytes of a part's body without its transfer encoding (RFC 2045 §6); what is no valid encoding is taken as far as it goes. */
function decoded(body: Buffer, encoding: string): Buffer {
  if (encoding === "base64") return Buffer.from(body.toString("latin1"), "base64");
  if (encoding !== "quoted-printable") return body;
  const text = body
    .toString("latin1")
    .replaceAll(/=[ \t]*\r?\n/g, "")
    .replaceAll(/=([0-9A-F]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(text, "latin1");
}

function unicode(bytes: Buffer, charset: string): string {
  if (/^(?:|utf-?8|us-ascii)$/i.test(charset)) return bytes.toString("utf8");
  try {
    return new TextDecoder(charset).decode(bytes);
  } catch {
    // a charset nobody knows
    return bytes.toString("latin1");
  }
}

/** The texts in a message whose bytes do not show them: those in an encoding or another charset than UTF-8. */
export function* hiddenTexts(bytes: Buffer, part: Part): Generator<string> {
  for (const each of part.parts) yield* hiddenTexts(bytes, each);
  if (part.message) yield* hiddenTexts(bytes, part.message);
  if (part.parts.length > 0 || part.message || !part.type.value.startsWith("text/")) return;
  const encoding = (firstValue(part.fields, "Content-Transfer-Encoding") ?? "").trim().toLowerCase();
  const charset = part.type.parameters.get("charset") ?? "";
  const shown = !/^(?:base64|quoted-printable)$/.test(encoding) && /^(?:|utf-?8|us-ascii)$/i.test(charset);
  if (!shown) yield unicode(decoded(bytes.subarray(part.bodyStart, part.end), encoding), charset);
}
