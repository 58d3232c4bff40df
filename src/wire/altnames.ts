// subjectAltName of a certificate, in the text form that Node gives it: "DNS:a.test, DNS:*.b.test, email:ann@a.test".

/**
 * The values of one kind, in their order. Node writes a value that could be mistaken for more than one as a JSON string; such
 * values are left out, because nobody has them honestly.
 */
export function altNames(text: string | undefined, kind: "DNS" | "email"): readonly string[] {
  const entries = (text ?? "").match(/(?:"(?:[^"\\]|\\.)*"|[^,"])+/g) ?? [];
  const start = `${kind}:`;
  return entries
    .map((entry) => entry.trim())
    .filter((entry) => entry.startsWith(start) && !entry.includes('"'))
    .map((entry) => entry.slice(start.length));
}
