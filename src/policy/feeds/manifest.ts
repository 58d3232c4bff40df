// Manifests: `MANIFEST` holds the hash of every file of a feed, as sha256sum prints them, and `MANIFEST.sig` the Ed25519 signature (RFC 8032) over
// its bytes. A line `# serial 12` makes an older feed with a good signature as useless as a forged one.

import { createPublicKey, hash, type KeyObject, verify } from "node:crypto";
import { err, ok, type Result } from "#base/result.ts";
import type { FeedFile } from "./feed.ts";

export const MANIFEST = "MANIFEST";
export const SIGNATURE = "MANIFEST.sig";

/** SPKI for Ed25519 (RFC 8410 §4) is this and the 32 bytes of the key. */
const SPKI = Buffer.from("302a300506032b6570032100", "hex");

/** A public key as PEM, or its 32 bytes in base64. */
export function parseKey(text: string): Result<KeyObject> {
  const bare = text.trim();
  try {
    const key = /^[A-Za-z0-9+/]{43}=$/.test(bare)
      ? createPublicKey({
          key: Buffer.concat([SPKI, Buffer.from(bare, "base64")]),
          format: "der",
          type: "spki",
        })
      : createPublicKey(bare);
    if (key.asymmetricKeyType === "ed25519") return ok(key);
    return err(`it is a key for ${key.asymmetricKeyType}, not Ed25519`);
  } catch {
    // whatever the library says, it is no key for us
    return err("it is no public key in PEM, nor 32 bytes in base64");
  }
}

export interface Manifest {
  /** Undefined when it has none. */
  readonly serial: number | undefined;
}

/** Checks that `files`, which count, are those that the manifest names. */
export function checkManifest(
  all: readonly FeedFile[],
  files: readonly FeedFile[],
  key: KeyObject,
): Result<Manifest> {
  const bytesOf = (name: string) => all.find(({ path }) => path === name || path.endsWith(`/${name}`))?.bytes;
  const [manifest, signature] = [bytesOf(MANIFEST), bytesOf(SIGNATURE)];
  if (!manifest || !signature) return err(`it is not signed (${MANIFEST}, ${SIGNATURE})`);
  if (!verify(null, manifest, key, signatureOf(signature)))
    return err("its signature is not by the key that was given for it");
  const read = parseManifest(manifest.toString());
  if (!read.ok) return read;
  const { hashes, serial } = read.value;
  for (const { path, bytes } of files) {
    const wanted = hashes.get(path);
    if (wanted === undefined) return err(`"${path}" is not in its manifest`);
    if (wanted !== hash("sha256", bytes)) return err(`"${path}" is not as its manifest says`);
  }
  const there = new Set(files.map(({ path }) => path));
  const missing = [...hashes.keys()].find(
    (path) => !there.has(path) && /^bad(?:helo|mailfrom|rcptto)|^patterns$/.test(path),
  );
  return missing === undefined ? ok({ serial }) : err(`"${missing}" of its manifest is missing`);
}

/** 64 bytes as they are, or in base64. */
const signatureOf = (bytes: Buffer): Buffer =>
  bytes.length === 64 ? bytes : Buffer.from(bytes.toString("latin1"), "base64");

function parseManifest(text: string): Result<{
  readonly hashes: ReadonlyMap<string, string>;
  readonly serial: number | undefined;
}> {
  const hashes = new Map<string, string>();
  let serial: number | undefined;
  for (const line of text.split("\n")) {
    const [, number] = /^#\s*serial\s+(\d{1,15})\s*$/i.exec(line) ?? [];
    if (number !== undefined) serial = Number(number);
    if (line.trim() === "" || line.startsWith("#")) continue;
    const [, sum, path] = /^([0-9a-f]{64}) [ *](?:\.\/)?(.+)$/.exec(line) ?? [];
    if (sum === undefined || path === undefined) return err("its manifest cannot be read");
    hashes.set(path, sum);
  }
  return ok({ hashes, serial });
}
