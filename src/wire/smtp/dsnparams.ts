// What a sender asks of delivery reports (RFC 3461 §4): RET and ENVID at MAIL, NOTIFY and ORCPT at RCPT.

import { formatUtf8Address, formatXtext, parseUtf8Address, parseXtext } from "./xtext.ts";

/** RFC 3461 §4.3. */
export function parseRet(value: string): "full" | "headers" | undefined {
  return { FULL: "full", HDRS: "headers" }[value.toUpperCase()] as "full" | "headers" | undefined;
}

/** RFC 3461 §4.4: 1 to 100 characters, printable. */
const ENVID = /^[\t -~]{1,100}$/;

export function parseEnvid(value: string): string | undefined {
  const id = parseXtext(value);
  return id !== undefined && ENVID.test(id) ? id : undefined;
}

export type Notify = readonly ("success" | "failure" | "delay")[];

const occasions = { SUCCESS: "success", FAILURE: "failure", DELAY: "delay" } as const;

/** RFC 3461 §4.1: NEVER alone (here: none), or each of the others at most once. */
export function parseNotify(value: string): Notify | undefined {
  const words = value.toUpperCase().split(",");
  if (value.toUpperCase() === "NEVER") return [];
  const known = words.flatMap((word) =>
    Object.hasOwn(occasions, word) ? [occasions[word as keyof typeof occasions]] : [],
  );
  return known.length === words.length && new Set(known).size === known.length ? known : undefined;
}

/** RFC 3461 §4.2: an atom names the kind of the address; 500 characters in all. */
const ORCPT = /^([A-Za-z0-9!#$%&'*+/?^_`{|}~-]+);(.+)$/u;
const MOST = 500;

/**
 * `type;address`, decoded. An address of type "utf-8" has its own encoding (RFC 6533 §3); letters beyond ASCII may stand in it as they
 * are only where `utf8` says so.
 */
export function parseOriginal(value: string, utf8: boolean): string | undefined {
  const [, type = "", coded = ""] = ORCPT.exec(value) ?? [];
  if (type === "" || value.length > MOST) return undefined;
  const lower = type.toLowerCase();
  if (lower !== "utf-8") {
    const address = parseXtext(coded);
    return address !== undefined && /^[ -~]+$/.test(address) ? `${lower};${address}` : undefined;
  }
  if (!utf8 && /[^\x00-\x7f]/.test(coded)) return undefined;
  const address = parseUtf8Address(coded);
  return address === undefined ? undefined : `${lower};${address}`;
}

/** NOTIFY's value. */
export const formatNotify = (notify: Notify): string =>
  notify.length === 0 ? "NEVER" : notify.join(",").toUpperCase();

/** ORCPT's value from `type;address`, as `parseOriginal` gave it. */
export function formatOriginal(original: string, utf8: boolean): string {
  const semicolon = original.indexOf(";");
  const type = original.slice(0, semicolon);
  const address = original.slice(semicolon + 1);
  return `${type};${type === "utf-8" ? formatUtf8Address(address, utf8) : formatXtext(address)}`;
}
