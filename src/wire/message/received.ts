// The Received field that we put on top of every message: RFC 5321 §4.4.

import { formatDate } from "./rfcdate.ts";

export interface Received {
  /** Name given in EHLO or HELO; anything. */
  readonly hello: string;
  /** The client's IP address. */
  readonly address: string;
  readonly hostname: string;
  /** Spoke EHLO, over TLS, after AUTH. */
  readonly extended: boolean;
  readonly tls: { readonly version: string; readonly cipher: string } | undefined;
  readonly authenticated: boolean;
  readonly id: string;
  /** The only recipient; undefined when there are more, so that none learns of another (RFC 5321 §7.2). */
  readonly recipient: string | undefined;
  /** ms since 1970 */
  readonly time: number;
}

/** The protocol's name: RFC 3848. */
export function protocolName(extended: boolean, tls: boolean, authenticated: boolean): string {
  // RFC 3848 has no name for HELO over TLS; a client that says HELO after STARTTLS is told apart by the comment
  return extended ? `ESMTP${tls ? "S" : ""}${authenticated ? "A" : ""}` : "SMTP";
}

/** Whatever was given as a name, as a word that cannot end a line, a comment or a field. */
function plainName(name: string): string {
  return name === "" ? "unknown" : name.replace(/[^A-Za-z0-9.:_[\]-]/g, "?");
}

/** RFC 5321 §4.1.3. */
export function addressLiteral(address: string): string {
  return address.includes(":") ? `[IPv6:${address}]` : `[${address}]`;
}

/** The field with its CR LF. */
export function formatReceived(received: Received): string {
  const { hello, address, hostname, extended, tls, authenticated, id, recipient, time } = received;
  const protocol = protocolName(extended, tls !== undefined, authenticated);
  const security = tls === undefined ? "" : `\r\n\t(${plainName(tls.version)} ${plainName(tls.cipher)})`;
  const purpose = recipient === undefined ? "" : `\r\n\tfor <${recipient}>`;
  return `Received: from ${plainName(hello)} (${addressLiteral(address)})\r\n\tby ${hostname} with ${protocol}${security}\r\n\tid ${id}${purpose};\r\n\t${formatDate(time)}\r\n`;
}
