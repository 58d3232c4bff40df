// SASL PLAIN (RFC 4616): authorization identity NUL authentication identity NUL password, in base64 on the wire.

import { limits } from "#base/limits.ts";
import { err, ok, type Result } from "#base/result.ts";

export interface Credentials {
  /** On whose behalf; "" for the user's own. */
  readonly authorization: string;
  readonly user: string;
  readonly password: string;
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** The bytes of strict base64 (RFC 4648 §4), or undefined; Buffer.from would take anything. */
export function parseBase64(text: string): Buffer | undefined {
  return BASE64.test(text) ? Buffer.from(text, "base64") : undefined;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text of strict UTF-8, or undefined. */
export function parseUtf8(bytes: Buffer): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    // not UTF-8; there is nothing more to know
    return undefined;
  }
}

/** Reads the decoded message. RFC 4616 §2: both identity and password are there and bounded, all of it is UTF-8. */
export function parsePlain(message: Buffer): Result<Credentials> {
  const text = parseUtf8(message);
  if (text === undefined) return err("not UTF-8");
  const parts = text.split("\0");
  const [authorization, user, password] = parts;
  if (parts.length !== 3 || authorization === undefined || !user || !password) return err("not three parts");
  if (Math.max(Buffer.byteLength(user), Buffer.byteLength(authorization)) > limits.login.userBytes)
    return err("identity too long");
  if (Buffer.byteLength(password) > limits.login.passwordBytes) return err("password too long");
  return ok({ authorization, user, password });
}

/** The message, in base64. */
export function formatPlain(credentials: Credentials): string {
  const { authorization, user, password } = credentials;
  return Buffer.from(`${authorization}\0${user}\0${password}`).toString("base64");
}
