// A self-signed certificate (RFC 5280) for a new server: ECDSA on P-256, valid for the names given. DER is written here, in the few
// forms that this needs, so that no openssl program has to be there.

import { generateKeyPairSync, randomBytes, sign } from "node:crypto";

export interface SelfSigned {
  /** PEM. */
  readonly certificate: string;
  /** PEM, PKCS #8. */
  readonly key: string;
}

export interface SelfSignedOptions {
  /** DNS names; the first is the common name. */
  readonly names: readonly string[];
  /** IPv4 addresses. */
  readonly addresses: readonly string[];
  /** ms since 1970. */
  readonly from: number;
  readonly until: number;
}

/** DER tags (X.690 §8). */
const tag = {
  boolean: 0x01,
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  identifier: 0x06,
  utf8: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** [n] IMPLICIT or EXPLICIT. */
const context = (number: number, constructed: boolean): number => (constructed ? 0xa0 : 0x80) | number;

const oid = {
  commonName: [2, 5, 4, 3],
  ecdsaWithSha256: [1, 2, 840, 10_045, 4, 3, 2],
  subjectAltName: [2, 5, 29, 17],
  basicConstraints: [2, 5, 29, 19],
  keyUsage: [2, 5, 29, 15],
  extendedKeyUsage: [2, 5, 29, 37],
  serverAuth: [1, 3, 6, 1, 5, 5, 7, 3, 1],
} as const;

/** RFC 5280 §A.1: ub-common-name. */
const LONGEST_COMMON_NAME = 64;

/** A new key and a certificate for it. */
export function selfSigned(options: SelfSignedOptions): SelfSigned {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const algorithm = sequence(identifier(oid.ecdsaWithSha256));
  const name = sequence(
    set(
      sequence(
        identifier(oid.commonName),
        der(tag.utf8, Buffer.from((options.names[0] ?? "").slice(0, LONGEST_COMMON_NAME))),
      ),
    ),
  );
  const body = sequence(
    der(context(0, true), integer(Buffer.from([2]))),
    integer(serial()),
    algorithm,
    name,
    sequence(time(options.from), time(options.until)),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    der(context(3, true), sequence(...extensions(options))),
  );
  const signature = sign("sha256", body, privateKey);
  const whole = sequence(body, algorithm, bits(signature));
  return {
    certificate: pem("CERTIFICATE", whole),
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

function extensions({ names, addresses }: SelfSignedOptions): readonly Buffer[] {
  // RFC 5280 §4.2.1.6: dNSName [2], iPAddress [7]
  const alternatives = sequence(
    ...names.map((name) => der(context(2, false), Buffer.from(name, "ascii"))),
    ...addresses.map((address) => der(context(7, false), Buffer.from(address.split(".").map(Number)))),
  );
  return [
    extension(oid.subjectAltName, false, alternatives),
    // RFC 5280 §4.2.1.9: not a certification authority
    extension(oid.basicConstraints, true, sequence()),
    // RFC 5280 §4.2.1.3: digitalSignature, the first of 8 bits, 7 unused
    extension(oid.keyUsage, true, der(tag.bits, Buffer.from([7, 0x80]))),
    extension(oid.extendedKeyUsage, false, sequence(identifier(oid.serverAuth))),
  ];
}

const extension = (id: readonly number[], critical: boolean, value: Buffer): Buffer =>
  sequence(
    identifier(id),
    ...(critical ? [der(tag.boolean, Buffer.from([0xff]))] : []),
    der(tag.octets, value),
  );

/** RFC 5280 §4.1.2.2: positive, at most 20 octets, not to be foreseen. */
function serial(): Buffer {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes;
}

function der(kind: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([kind]), length(content.length), content]);
}

/** X.690 §8.1.3: one byte up to 127, else the number of bytes and the bytes. */
function length(bytes: number): Buffer {
  if (bytes < 0x80) return Buffer.from([bytes]);
  if (bytes < 0x100) return Buffer.from([0x81, bytes]);
  return Buffer.from([0x82, bytes >> 8, bytes & 0xff]);
}

const sequence = (...parts: readonly Buffer[]): Buffer => der(tag.sequence, Buffer.concat(parts));

const set = (...parts: readonly Buffer[]): Buffer => der(tag.set, Buffer.concat(parts));

/** A positive number whose first bit is 0. */
const integer = (bytes: Buffer): Buffer => der(tag.integer, bytes);

const bits = (bytes: Buffer): Buffer => der(tag.bits, Buffer.concat([Buffer.from([0]), bytes]));

/** X.690 §8.19: the first two numbers in one, then base 128. */
function identifier([first = 0, second = 0, ...rest]: readonly number[]): Buffer {
  return der(tag.identifier, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

function base128(number: number): readonly number[] {
  const digits = [number & 0x7f];
  for (let left = number >> 7; left > 0; left >>= 7) digits.unshift((left & 0x7f) | 0x80);
  return digits;
}

/** RFC 5280 §4.1.2.5: UTCTime until 2049, GeneralizedTime from 2050. */
function time(ms: number): Buffer {
  const digits = `${new Date(ms).toISOString().slice(0, 19).replaceAll(/[-:T]/g, "")}Z`;
  const short = Number(digits.slice(0, 4)) < 2050;
  return der(short ? tag.utcTime : tag.generalizedTime, Buffer.from(short ? digits.slice(2) : digits));
}

function pem(label: string, bytes: Buffer): string {
  const lines = bytes.toString("base64").match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}
