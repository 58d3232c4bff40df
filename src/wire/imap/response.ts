// How values are written in IMAP responses (RFC 9051 §9). All strings are bytes, one a character.

/** A string as quoted or literal; undefined is NIL. */
export function formatNstring(value: string | undefined): string {
  return value === undefined ? "NIL" : formatString(value);
}

/** A quoted string where that is allowed, else a literal. */
export function formatString(value: string): string {
  if (value.length < 1000 && /^[\x20-\x7e]*$/.test(value)) return `"${value.replaceAll(/["\\]/g, "\\$&")}"`;
  // NUL cannot be sent in a literal (RFC 9051 §4.3.1)
  const clean = value.replaceAll("\0", "");
  return `{${clean.length}}\r\n${clean}`;
}

/** A mailbox or field name: bare when it is an atom. */
export function formatAstring(name: string): string {
  return /^[A-Za-z0-9._/&+,-]+$/.test(name) && !/^nil$/i.test(name) ? name : formatString(name);
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"] as const;

const two = (value: number) => String(value).padStart(2, "0");

/** INTERNALDATE: " 7-Feb-1994 21:52:25 +0000" in UTC. */
export function formatInternalDate(ms: number): string {
  const date = new Date(ms);
  const day = String(date.getUTCDate()).padStart(2, " ");
  const time = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(two).join(":");
  return `"${day}-${MONTHS[date.getUTCMonth()]}-${date.getUTCFullYear()} ${time} +0000"`;
}

/** Ms since 1970 of a date-time such as " 7-Feb-1994 21:52:25 -0800" (without quotes), or undefined. */
export function parseInternalDate(text: string): number | undefined {
  const parts = /^[ \d]?(\d{1,2})-([A-Z][a-z]{2})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)$/i.exec(
    text.trim().padStart(26, " "),
  );
  if (!parts) return undefined;
  const [, , monthName = "", year, hour, minute, second, sign, zoneHours, zoneMinutes] = parts;
  const day = Number(text.trim().split("-")[0]);
  const month = MONTHS.findIndex((name) => name.toLowerCase() === monthName.toLowerCase());
  if (month < 0 || day < 1 || day > 31) return undefined;
  const zone = (Number(zoneHours) * 60 + Number(zoneMinutes)) * (sign === "-" ? -1 : 1);
  return Date.UTC(Number(year), month, day, Number(hour), Number(minute), Number(second)) - zone * 60_000;
}

/** Ms since 1970 of the start (UTC) of a day such as "1-Feb-1994", or undefined. */
export function parseDay(text: string): number | undefined {
  return parseInternalDate(`${text.padStart(11, " ")} 00:00:00 +0000`);
}
