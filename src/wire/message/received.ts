// The Received field that smtpd puts on every message (RFC 5321 §4.4).

import { formatDate } from "./rfcdate.ts";

export interface Hop {
  readonly helo: string;
  readonly address: string;
  readonly hostname: string;
  readonly id: string;
  readonly extended: boolean;
  readonly tls: { readonly version: string; readonly cipher: string } | undefined;
  readonly authenticated: boolean;
  /** The one recipient; undefined when there are several: they must not learn of each other. */
  readonly recipient: string | undefined;
  /** ms since 1970 */
  readonly time: number;
}

/** Everything that is not plain becomes "?", so that a client's HELO cannot write into the header. */
const safe = (text: string): string => text.replaceAll(/[^A-Za-z0-9.@%+/=:[\]_-]/g, "?").slice(0, 255);

/** With CRLF line ends. */
export function formatReceived(hop: Hop): string {
  // RFC 3848
  const protocol = hop.extended ? `ESMTP${hop.tls ? "S" : ""}${hop.authenticated ? "A" : ""}` : "SMTP";
  const tls = hop.tls ? `\r\n\t(${safe(hop.tls.version)} ${safe(hop.tls.cipher)})` : "";
  const recipient = hop.recipient === undefined ? "" : `\r\n\tfor <${hop.recipient}>`;
  const address = hop.address.includes(":") ? `IPv6:${hop.address}` : hop.address;
  return (
    `Received: from ${safe(hop.helo)} ([${address}])${tls}\r\n\tby ${hop.hostname} with ${protocol} id ${hop.id}${recipient};` +
    `\r\n\t${formatDate(hop.time)}\r\n`
  );
}
