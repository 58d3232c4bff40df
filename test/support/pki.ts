// Certificates of every kind for tests, made by openssl: authorities, what they sign, and what went wrong with it.

import { execFileSync } from "node:child_process";
import { createHash, sign, X509Certificate } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import type { TestContext } from "node:test";
import { temporaryDirectory } from "./temporary.ts";

export interface Identity {
  /** PEM, without those who signed it. */
  readonly cert: string;
  readonly key: string;
}

export interface Wish {
  /** Names in the certificate; none: no extension for them. */
  readonly names?: readonly string[];
  readonly addresses?: readonly string[];
  /** Undefined: it signs itself. */
  readonly issuer?: Identity;
  readonly authority?: true;
  /** Instead of from yesterday to tomorrow: it has been over for a year. */
  readonly expired?: true;
  readonly extensions?: readonly string[];
}

let made = 0;

/** A new key and a certificate for it. */
export function identity(context: TestContext, name: string, wish: Wish = {}): Identity {
  const directory = temporaryDirectory(context);
  const at = (file: string) => path.join(directory, file);
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", at("key")];
  const alternatives = [
    ...(wish.names ?? []).map((each) => `DNS:${each}`),
    ...(wish.addresses ?? []).map((each) => `IP:${each}`),
  ];
  const basic = `basicConstraints=critical,CA:${wish.authority ? "TRUE" : "FALSE"}`;
  const own = wish.extensions ?? [];
  const extensions = [
    ...(own.some((each) => each.startsWith("basicConstraints")) ? [] : [basic]),
    ...(wish.authority ? ["keyUsage=critical,keyCertSign,digitalSignature"] : []),
    ...(alternatives.length > 0 ? [`subjectAltName=${alternatives.join(",")}`] : []),
    ...own,
  ].flatMap((each) => ["-addext", each]);
  if (wish.issuer) {
    fs.writeFileSync(at("ca"), wish.issuer.cert);
    fs.writeFileSync(at("cakey"), wish.issuer.key);
  }
  const signer = wish.issuer ? ["-CA", at("ca"), "-CAkey", at("cakey")] : [];
  const subject = ["-subj", `/CN=${name}`, "-set_serial", String(Date.now() * 1000 + made++)];
  execFileSync(
    "openssl",
    ["req", "-x509", ...key, ...subject, ...signer, "-days", "2", ...extensions, "-out", at("cert")],
    {
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  const found = { cert: fs.readFileSync(at("cert"), "utf8"), key: fs.readFileSync(at("key"), "utf8") };
  return wish.expired ? { ...found, cert: expire(found.cert, wish.issuer?.key ?? found.key) } : found;
}

/** The certificate with dates of long ago, signed again; openssl makes none that is over. */
function expire(pem: string, key: string): string {
  const whole = new X509Certificate(pem).raw;
  const body = der(whole.subarray(4));
  // two UTCTimes in SEQUENCE (RFC 5280 §4.1.2.5)
  const at = body.indexOf(Buffer.from("301e170d", "hex"));
  body.write("200101000000Z", at + 4, "ascii");
  body.write("200102000000Z", at + 19, "ascii");
  // ecdsa-with-SHA256
  const algorithm = Buffer.from("300a06082a8648ce3d040302", "hex");
  const signature = sign("sha256", body, key);
  const bits = Buffer.concat([Buffer.from([0x03, signature.length + 1, 0]), signature]);
  const content = Buffer.concat([body, algorithm, bits]);
  const head = Buffer.from([0x30, 0x82, content.length >> 8, content.length & 0xff]);
  const base64 = Buffer.concat([head, content]).toString("base64");
  return `-----BEGIN CERTIFICATE-----\n${base64.replaceAll(/.{1,64}/g, "$&\n")}-----END CERTIFICATE-----\n`;
}

/** A copy of the first element, whose length is in one byte or two. */
function der(bytes: Buffer): Buffer {
  const long = bytes[1] === 0x82;
  const length = long ? 4 + bytes.readUInt16BE(2) : 3 + (bytes[2] ?? 0);
  return Buffer.from(bytes.subarray(0, length));
}

/** What a server shows: its certificate and those behind it. */
export const chainOf = (own: Identity, ...others: readonly Identity[]): Identity => ({
  cert: [own, ...others].map(({ cert }) => cert).join(""),
  key: own.key,
});

/** A TLSA record for a certificate, as in zone files. */
export function tlsaOf({ cert }: Identity, kind: string): string {
  const [, selector, matching] = kind.split(" ");
  const x509 = new X509Certificate(cert);
  const selected = selector === "1" ? x509.publicKey.export({ type: "spki", format: "der" }) : x509.raw;
  const hash = matching === "1" ? "sha256" : "sha512";
  const data = matching === "0" ? selected : createHash(hash).update(selected).digest();
  return `${kind} ${Buffer.from(data).toString("hex")}`;
}
