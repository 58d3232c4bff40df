// SASL PLAIN (RFC 4616): base64 of [authzid] NUL authcid NUL passwd.

import { limits } from "#base/limits.ts";
import { err, ok, type Result } from "#base/result.ts";

export interface PlainCredentials {
  readonly user: string;
  readonly password: string;
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Bytes of strict base64, or undefined. */
export function parseBase64(text: string): Buffer | undefined {
  return BASE64.test(text) ? Buffer.from(text, "base64") : undefined;
}

/** Who a PLAIN response says its sender is. Acting for somebody else (an authzid of another name) is not offered. */
export function parsePlain(response: string): Result<PlainCredentials> {
  const bytes = parseBase64(response);
  if (!bytes) return err("the response is not base64");
  const parts = bytes.toString("utf8").split("\0");
  const [authzid = "", user = "", password = ""] = parts;
  if (parts.length !== 3 || user === "" || password === "") return err("the response is not PLAIN");
  if (authzid !== "" && authzid !== user) return err("acting for somebody else is not offered");
  if (user.length > limits.login.userBytes || password.length > limits.login.passwordBytes) {
    return err("the user name or password is too long");
  }
  return ok({ user, password });
}
