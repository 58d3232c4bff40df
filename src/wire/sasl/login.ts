// SASL LOGIN (never standardized, draft-murchison-sasl-login-00): user and password, each base64 of its own, each after a prompt.

import { limits } from "#base/limits.ts";
import { err, ok, type Result } from "#base/result.ts";
import { type PlainCredentials, parseBase64 } from "./plain.ts";

/** Puts together what came after "Username:" and "Password:". Outlook and printers still speak this instead of PLAIN. */
export function parseLogin(userResponse: string, passwordResponse: string): Result<PlainCredentials> {
  const user = parseBase64(userResponse)?.toString("utf8");
  const password = parseBase64(passwordResponse)?.toString("utf8");
  if (!user || !password) return err("the responses are not a user and a password");
  if (user.includes("\0") || password.includes("\0")) return err("the responses hold a NUL");
  if (user.length > limits.login.userBytes || password.length > limits.login.passwordBytes)
    return err("the user name or password is too long");
  return ok({ user, password });
}
