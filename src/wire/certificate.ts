// A certificate in DER (RFC 5280 §4.1): the parts that node:crypto does not tell: its key as it stands there, and what its extensions demand.

export interface CertificateParts {
  /** SubjectPublicKeyInfo, byte for byte: encoding a key again may give other bytes. */
  readonly key: Buffer;
  /** How many certificates of authorities may be below it (RFC 5280 §4.2.1.9). */
  readonly pathLength: number;
  /** It has an extension that must be understood and that nobody here knows (RFC 5280 §4.2). */
  readonly demanding: boolean;
}

interface Element {
  readonly tag: number;
  readonly whole: Buffer;
  readonly content: Buffer;
}

const SEQUENCE = 0x30;
const BOOLEAN = 0x01;
const INTEGER = 0x02;
const VERSION = 0xa0;
const EXTENSIONS = 0xa3;

const BASIC_CONSTRAINTS = "551d13";
/** subjectKeyIdentifier, keyUsage, subjectAltName, basicConstraints, certificatePolicies, authorityKeyIdentifier, extKeyUsage. */
const KNOWN: ReadonlySet<string> = new Set([
  "551d0e",
  "551d0f",
  "551d11",
  BASIC_CONSTRAINTS,
  "551d20",
  "551d23",
  "551d25",
]);

/** The parts of a certificate; undefined when it cannot be read. */
export function certificateParts(der: Buffer): CertificateParts | undefined {
  const [certificate] = elementsOf(der) ?? [];
  const [body] = (certificate && elementsOf(certificate.content)) ?? [];
  const fields = body && elementsOf(body.content);
  if (!fields) return undefined;
  // version is there or not; then serial, algorithm, issuer, validity, subject, key
  const at = fields[0]?.tag === VERSION ? 6 : 5;
  const key = fields[at];
  if (key?.tag !== SEQUENCE) return undefined;
  const found = extensionsOf(fields.find(({ tag }) => tag === EXTENSIONS));
  if (!found) return undefined;
  return {
    key: key.whole,
    pathLength: pathLengthOf(found.find(({ id }) => id === BASIC_CONSTRAINTS)?.value),
    demanding: found.some(({ id, critical }) => critical && !KNOWN.has(id)),
  };
}

interface Extension {
  /** Its object identifier as DER content, in hex. */
  readonly id: string;
  readonly critical: boolean;
  readonly value: Buffer;
}

function extensionsOf(field: Element | undefined): readonly Extension[] | undefined {
  if (!field) return [];
  const [list] = elementsOf(field.content) ?? [];
  const extensions = list && elementsOf(list.content);
  return extensions?.map(({ content }) => {
    const parts = elementsOf(content) ?? [];
    return {
      id: parts[0]?.content.toString("hex") ?? "",
      critical: parts[1]?.tag === BOOLEAN && parts[1].content[0] !== 0,
      value: parts.at(-1)?.content ?? Buffer.alloc(0),
    };
  });
}

function pathLengthOf(constraints: Buffer | undefined): number {
  const [sequence] = (constraints && elementsOf(constraints)) ?? [];
  const last = ((sequence && elementsOf(sequence.content)) ?? []).at(-1);
  if (last?.tag !== INTEGER) return Number.POSITIVE_INFINITY;
  return last.content.length === 1 ? (last.content[0] ?? 0) : 0;
}

/** The elements that stand one behind the other (X.690 §8.1); undefined when the lengths are wrong. */
function elementsOf(bytes: Buffer): readonly Element[] | undefined {
  const found: Element[] = [];
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at + 1];
    if (first === undefined) return undefined;
    const more = first < 0x80 ? 0 : first & 0x7f;
    if (more > 4 || at + 2 + more > bytes.length || first === 0x80) return undefined;
    const length = more === 0 ? first : bytes.readUIntBE(at + 2, more);
    const start = at + 2 + more;
    if (start + length > bytes.length) return undefined;
    const content = bytes.subarray(start, start + length);
    found.push({ tag: bytes[at] ?? 0, whole: bytes.subarray(at, start + length), content });
    at = start + length;
  }
  return found;
}
