// xtext (RFC 3461 §4): any text as an ESMTP value; and the form that addresses in UTF-8 have in ORCPT (RFC 6533 §3).

const XTEXT = /^(?:[!-*,-<>-~]|\+[0-9A-F]{2})*$/;

/** The text of xtext, its octets read as UTF-8 (what is none becomes U+FFFD); undefined when it is no xtext. */
export function parseXtext(value: string): string | undefined {
  if (!XTEXT.test(value)) return undefined;
  if (!value.includes("+")) return value;
  const octets = value.replace(/\+([0-9A-F]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
  return Buffer.from(octets, "latin1").toString("utf8");
}

/** As xtext: the octets of the text's UTF-8. */
export const formatXtext = (text: string): string =>
  text.replace(/[^!-*,-<>-~]/gu, (letter) =>
    Buffer.from(letter).reduce((coded, octet) => `${coded}+${hex(octet)}`, ""),
  );

/** An address of type "utf-8" in ORCPT; `unitext` leaves letters beyond ASCII as they are, for servers that offer SMTPUTF8 (RFC 6533 §3). */
export const formatUtf8Address = (address: string, unitext: boolean): string =>
  address.replace(
    unitext ? /[\x00- +=\\\x7f-\xa0]/gu : /[^!-*,-<>-[\]-~]/gu,
    (letter) => `\\x{${hex(letter.codePointAt(0) ?? 0)}}`,
  );

/** RFC 6533 §3: QCHAR, `\x{HEX}`, and (utf-8-addr-unitext) letters beyond ASCII as they are. */
const UTF8_ADDRESS = /^(?:[!-*,-<>-[\]-~\u00a1-\u{10ffff}]|\\x\{[0-9A-F]{2,6}\})+$/u;
const CONTROL = /[\p{Cc}\p{Cs}\p{Cn}\p{Zl}\p{Zp}\ufffd]/u;

/** The address of an ORCPT of type "utf-8"; undefined when it is none. */
export function parseUtf8Address(value: string): string | undefined {
  if (!UTF8_ADDRESS.test(value)) return undefined;
  const points = value.replace(/\\x\{([0-9A-F]+)\}/g, (_, digits: string) =>
    fromPoint(Number.parseInt(digits, 16)),
  );
  return CONTROL.test(points) ? undefined : points;
}

/** U+FFFD where there is no such character. */
const fromPoint = (point: number): string => (point > 0x10_ffff ? "\ufffd" : String.fromCodePoint(point));

const hex = (number: number): string => number.toString(16).toUpperCase().padStart(2, "0");
