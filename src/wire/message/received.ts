// The Received field that we put on top of every message: RFC 5321 §4.4.

import { formatDate } from "./rfcdate.ts";

export interface Received {
  /** Name given in EHLO or HELO; anything. */
  readonly hello: string;
  /** The name the client's address has; "" when nobody knows one. */
  readonly name: string;
  /** The client's IP address; "" when a proxy does not know it. */
  readonly address: string;
  readonly hostname: string;
  /** Spoke EHLO, over TLS, after AUTH. */
  readonly extended: boolean;
  /** The message came with SMTPUTF8. */
  readonly utf8: boolean;
  readonly tls: { readonly version: string; readonly cipher: string } | undefined;
  readonly authenticated: boolean;
  /** Another one than SMTP. */
  readonly protocol?: string | undefined;
  readonly id: string;
  /** The only recipient; undefined when there are more, so that none learns of another (RFC 5321 §7.2). */
  readonly recipient: string | undefined;
  /** ms since 1970 */
  readonly time: number;
}

export type Protocol = Pick<Received, "extended" | "utf8" | "authenticated"> & { readonly tls: boolean };

/** The protocol's name: RFC 3848; RFC 6531 §4.3 for messages with SMTPUTF8. */
export function protocolName({ extended, utf8, tls, authenticated }: Protocol): string {
  // RFC 3848 has no name for HELO over TLS; a client that says HELO after STARTTLS is told apart by the tls clause
  if (!extended) return "SMTP";
  return `${utf8 ? "UTF8SMTP" : "ESMTP"}${tls ? "S" : ""}${authenticated ? "A" : ""}`;
}

/** Whatever was given as a name, as a word that cannot end a line, a comment or a field. */
function plainName(name: string): string {
  return name === "" ? "unknown" : name.replace(/[^A-Za-z0-9.:_[\]-]/g, "?");
}

/** RFC 5321 §4.1.3. */
export function addressLiteral(address: string): string {
  return address.includes(":") ? `[IPv6:${address}]` : `[${address}]`;
}

/** The field with its CR LF. The tls clause is that of RFC 8314 §4.3; the version stands where other servers write it. */
export function formatReceived(received: Received): string {
  const { hello, name, address, hostname, tls, id, recipient, time } = received;
  const literal = address === "" ? "unknown" : addressLiteral(address);
  const client = name === "" ? literal : `${plainName(name)} ${literal}`;
  const protocol = received.protocol ?? protocolName({ ...received, tls: tls !== undefined });
  const lines = [
    `Received: from ${plainName(hello)} (${client})`,
    `by ${hostname} with ${protocol}${tls === undefined ? "" : ` (${plainName(tls.version)})`}`,
    `id ${id}`,
    ...(recipient === undefined ? [] : [`for <${recipient}>`]),
    ...(tls === undefined ? [] : [`tls ${plainName(tls.cipher)}`]),
  ];
  return `${lines.join("\r\n\t")};\r\n\t${formatDate(time)}\r\n`;
}

/** The field for a message that a user of this machine has written, with its CR LF; it came over no network, so it has no from (RFC 5321 §4.4). */
export function formatReceivedHere(message: {
  readonly hostname: string;
  readonly uid: number;
  readonly id: string;
  /** ms since 1970 */
  readonly time: number;
}): string {
  const { hostname, uid, id, time } = message;
  return `Received: by ${hostname} (from userid ${uid})\r\n\tid ${id};\r\n\t${formatDate(time)}\r\n`;
}
