// What we tell a milter, step by step, and the macros that go before each step (sendmail's libmilter, "Milter Protocol").

import { formatPacket } from "./packet.ts";

/** Bytes of one body packet: MILTER_CHUNK_SIZE. */
export const BODY_CHUNK = 65_535;

const text = (...values: readonly string[]) =>
  values.map((value) => `${value.replaceAll("\0", "")}\0`).join("");

/** For the step with this letter; names as sendmail writes them, "j", "{client_addr}". Undefined values are left out. */
export function formatMacros(step: string, macros: Readonly<Record<string, string | undefined>>): Buffer {
  const given = Object.entries(macros).flatMap(([name, value]) => (value === undefined ? [] : [name, value]));
  return formatPacket("D", step, text(...given));
}

/** The client: its name ("[192.0.2.1]" for none), and its address ("" when nobody knows it). */
export function formatConnect(name: string, address: string, port: number): Buffer {
  if (address === "") return formatPacket("C", text(name), "U");
  const family = address.includes(":") ? "6" : "4";
  const number = Buffer.alloc(2);
  number.writeUInt16BE(port & 0xffff);
  // as sendmail does it: IPv6 addresses carry their prefix
  return formatPacket("C", text(name), family, number, text(family === "6" ? `IPv6:${address}` : address));
}

export const formatHelo = (name: string): Buffer => formatPacket("H", text(name));

/** The path with its brackets, then the parameters as they were given. */
export const formatMail = (sender: string, ...parameters: readonly string[]): Buffer =>
  formatPacket("M", text(`<${sender}>`, ...parameters));

export const formatRcpt = (recipient: string, ...parameters: readonly string[]): Buffer =>
  formatPacket("R", text(`<${recipient}>`, ...parameters));

export const formatData = (): Buffer => formatPacket("T");

/** One field: bytes as they stand, folded lines with LF, as sendmail hands them on. */
export const formatHeader = (name: Buffer, value: Buffer): Buffer =>
  formatPacket("L", name, "\0", value, "\0");

export const formatEndOfHeader = (): Buffer => formatPacket("N");

/** At most BODY_CHUNK bytes. */
export const formatBody = (chunk: Buffer): Buffer => formatPacket("B", chunk);

export const formatEndOfMessage = (): Buffer => formatPacket("E");

export const formatAbort = (): Buffer => formatPacket("A");

export const formatQuit = (): Buffer => formatPacket("Q");
