// Passwords at rest: Argon2id (RFC 9106) as PHC strings, `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`; and passwords made up for people.

import { argon2, randomBytes, randomInt, timingSafeEqual } from "node:crypto";

interface Cost {
  /** KiB. */
  readonly memory: number;
  readonly passes: number;
  readonly lanes: number;
}

/** OWASP's first choice for Argon2id: 19 MiB, 2 passes; about 50 ms here, and two at a time stay below 40 MiB. */
const COST: Cost = { memory: 19_456, passes: 2, lanes: 1 };
const SALT = 16;
const TAG = 32;

/** Bounds of what a stored string may ask for; a damaged one must not take all memory. */
const MOST_MEMORY = 1 << 20;

const PHC =
  /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;

/** Whether a text is a password as it is stored. */
export const isHash = (stored: string): boolean => PHC.test(stored);

/** As it is stored. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT);
  return format(COST, salt, await derive(password, salt, COST, TAG));
}

/** True when the password is the one. Takes as long for `dummyHash` as for any other. */
export async function verifyPassword(password: string, stored: string): Promise<boolean> {
  const parts = PHC.exec(stored);
  if (!parts) return false;
  const [memory = 0, passes = 0, lanes = 0] = parts.slice(1, 4).map(Number);
  if (memory < 8 * lanes || memory > MOST_MEMORY || passes < 1 || lanes < 1) return false;
  const salt = Buffer.from(parts[4] ?? "", "base64");
  const tag = Buffer.from(parts[5] ?? "", "base64");
  const derived = await derive(password, salt, { memory, passes, lanes }, tag.length);
  return timingSafeEqual(derived, tag);
}

/** A stored password that nobody knows: verified for users that do not exist, so that time does not tell. */
export const dummyHash = (): string => format(COST, randomBytes(SALT), randomBytes(TAG));

/** Letters and digits that are not mistaken for each other, in four groups: 16 of 31 signs, 79 bits. */
export function makePassword(): string {
  const signs = "abcdefghjkmnpqrstuvwxyz23456789";
  const group = () => Array.from({ length: 4 }, () => signs[randomInt(signs.length)]).join("");
  return [group(), group(), group(), group()].join("-");
}

function format({ memory, passes, lanes }: Cost, salt: Buffer, tag: Buffer): string {
  const bare = (bytes: Buffer) => bytes.toString("base64").replace(/=+$/, "");
  return `$argon2id$v=19$m=${memory},t=${passes},p=${lanes}$${bare(salt)}$${bare(tag)}`;
}

/** RFC 8265 §4.2.2: one kind of space and one way to write each letter, so that two keyboards give the same password. */
const prepared = (password: string): string => password.replaceAll(/\p{Zs}/gu, " ").normalize("NFC");

function derive(password: string, nonce: Buffer, cost: Cost, tagLength: number): Promise<Buffer> {
  const { memory, passes, lanes: parallelism } = cost;
  const message = prepared(password);
  return new Promise((resolve, reject) => {
    argon2("argon2id", { message, nonce, parallelism, tagLength, memory, passes }, (error, tag) => {
      if (error) reject(error);
      else resolve(tag);
    });
  });
}
