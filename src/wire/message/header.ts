// The header of a message: where it ends, its fields unfolded (RFC 5322 §2.2). Works on CRLF and LF alike; never fails on garbage.

import { limits } from "#base/limits.ts";

export interface Field {
  /** As it stands, "Subject". */
  readonly name: string;
  /** Unfolded, without the space around it; bytes, one a character. */
  readonly value: string;
  /** Where the field, with its line end, stands in the header. */
  readonly start: number;
  readonly end: number;
}

/** The byte behind the empty line that ends the header; the length when there is none. Looks at the header only, however long the body. */
export function headerEnd(bytes: Buffer): number {
  if (bytes[0] === 10) return 1;
  if (bytes[0] === 13 && bytes[1] === 10) return 2;
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) {
    if (bytes[at + 1] === 10) return at + 2;
    if (bytes[at + 1] === 13 && bytes[at + 2] === 10) return at + 3;
  }
  return bytes.length;
}

/** The fields in their order; lines that are none are left out. At most `most`, and of a header only what a message may have. */
export function parseFields(header: Buffer, most: number = limits.smtp.headerFields): readonly Field[] {
  const text = header.toString("latin1", 0, limits.smtp.headerBytes);
  const fields: Field[] = [];
  // a field starts at the start of a line and goes on over lines that begin with white space (RFC 5322 §2.2.3)
  const pattern = /^([!-9;-~]{1,200})[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)(?:\n|$)/gm;
  for (let found = pattern.exec(text); found && fields.length < most; found = pattern.exec(text)) {
    fields.push({
      name: found[1] ?? "",
      value: (found[2] ?? "")
        .replaceAll(/\r?\n(?=[ \t])/g, "")
        .replace(/\r$/, "")
        .trim(),
      start: found.index,
      end: found.index + found[0].length,
    });
  }
  return fields;
}

/** The value of the first field of this name, whatever the case. */
export function firstValue(fields: readonly Field[], name: string): string | undefined {
  const wanted = name.toLowerCase();
  return fields.find((field) => field.name.toLowerCase() === wanted)?.value;
}

export interface Parameterized {
  /** In lower case: "text/plain", "attachment". */
  readonly value: string;
  /** Names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** A value with parameters, as in Content-Type and Content-Disposition (RFC 2045 §5.1). */
export function parseParameterized(text: string): Parameterized {
  const value = /^\s*([^;\s]*)/.exec(text)?.[1]?.toLowerCase() ?? "";
  const parameters = new Map<string, string>();
  const pattern = /;\s*([^\s=;"]{1,100})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s"]*))/g;
  for (let found = pattern.exec(text); found && parameters.size < 100; found = pattern.exec(text)) {
    const name = (found[1] ?? "").toLowerCase();
    if (!parameters.has(name)) parameters.set(name, found[3] ?? (found[2] ?? "").replaceAll(/\\(.)/g, "$1"));
  }
  return { value, parameters };
}

/** Text with encoded words (RFC 2047) as Unicode, for searching; what cannot be decoded stays. */
export function decodeWords(value: string): string {
  const joined = value.replaceAll(/(=\?[^?\s]+\?[bq]\?[^?\s]*\?=)\s+(?==\?[^?\s]+\?[bq]\?)/gi, "$1");
  const plain = Buffer.from(joined, "latin1").toString("utf8");
  return plain.replaceAll(
    /=\?([^?\s*]+)(?:\*[^?\s]*)?\?([bq])\?([^?\s]*)\?=/gi,
    (whole, charset: string, kind: string, text: string) => {
      const bytes =
        kind.toLowerCase() === "b"
          ? Buffer.from(text, "base64")
          : Buffer.from(
              text
                .replaceAll("_", " ")
                .replaceAll(/=([0-9A-F]{2})/gi, (_, hex: string) =>
                  String.fromCharCode(Number.parseInt(hex, 16)),
                ),
              "latin1",
            );
      try {
        return new TextDecoder(charset).decode(bytes);
      } catch {
        // a charset nobody knows
        return whole;
      }
    },
  );
}
