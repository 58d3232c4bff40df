// What a setting of kenro.toml is, and the kinds of values: each reads what people write and says what it expected otherwise.

import net from "node:net";
import { z } from "zod";
import { parseNetwork } from "#base/network.ts";
import { parseDuration, parseSize } from "./units.ts";

export interface Setting {
  readonly type: z.ZodType;
  /** As it is written into kenro.toml. Undefined: there is no default, `kenro init` asks for it. */
  readonly standard: string | number | readonly string[] | undefined;
  readonly meaning: string;
  /** Which roles are told it. */
  readonly seenBy: readonly string[];
}

/** A setting of a block that may stand any number of times. */
export interface BlockSetting extends Setting {
  /** It may be left out without having a standard value: this holds then. */
  readonly otherwise?: string;
}

export const size = z.union([z.string(), z.number()]).transform((value, context) => {
  const parsed = parseSize(value);
  if (parsed.ok) return parsed.value;
  context.addIssue({ code: "custom", message: `expected ${parsed.error}` });
  return z.NEVER;
});

export const duration = z.union([z.string(), z.number()]).transform((value, context) => {
  const parsed = parseDuration(value);
  if (parsed.ok) return parsed.value;
  context.addIssue({ code: "custom", message: `expected ${parsed.error}` });
  return z.NEVER;
});

/** RFC 1123 §2.1: letters, digits and hyphens between dots. */
export const HOSTNAME =
  /^(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/;

export const hostname = z.string().regex(HOSTNAME, 'expected a host name such as "mail.example.org"');
export const count = (min: number, max: number) => z.int().min(min).max(max);

/** "127.0.0.1:25", "[::1]:25"; the port may be missing where there is a usual one. */
function isEndpoint(text: string, portNeeded: boolean): boolean {
  const parts = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text);
  const [, v6, v4, port] = parts ?? [];
  if (!(v6 === undefined ? net.isIPv4(v4 ?? "") : net.isIPv6(v6))) return false;
  return port === undefined ? !portNeeded : Number(port) >= 1 && Number(port) <= 65_535;
}

export const endpoint = z
  .string()
  .refine(
    (text) => isEndpoint(text, true),
    'expected an address and a port such as "0.0.0.0:25" or "[::]:25"',
  );
export const resolver = z
  .string()
  .refine((text) => isEndpoint(text, false), 'expected "address" or "address:port"');
/** A service next door: sockaddr_un holds 107 bytes and a NUL. */
export const place = z
  .string()
  .refine(
    (text) => /^unix:\/[^\0]{1,106}$/.test(text) || isEndpoint(text, true),
    'expected "unix:/path/to/socket" or an address and a port such as "127.0.0.1:3310"',
  );
export const host = z
  .string()
  .regex(
    /^(?:|\[[0-9A-Fa-f:.]+\](?::\d{1,5})?|[A-Za-z0-9._-]+(?::\d{1,5})?)$/,
    'expected "host" or "host:port"',
  );
/** Where a route leads; "" for the exchangers in DNS. */
export const nexthop = z
  .string()
  .refine(
    (text) => /^unix:\/[^\0]{1,106}$/.test(text) || host.safeParse(text).success,
    'expected "host", "host:port" or "unix:/path/to/socket"',
  );
export const ip = z
  .string()
  .refine((text) => text === "" || net.isIP(text) !== 0, 'expected an address such as "192.0.2.1"');

/** "192.0.2.0/24", "2001:db8::/32", or one address. */
const network = z.string().superRefine((text, context) => {
  const parsed = parseNetwork(text);
  if (!parsed.ok) context.addIssue({ code: "custom", message: parsed.error });
});
export const networks = z.array(network);
