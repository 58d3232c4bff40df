// TLS as server: the certificate for the name a client asks for, and what a client's own certificate says.

import { constants, X509Certificate } from "node:crypto";
import type { Socket } from "node:net";
import tls from "node:tls";
import { limits } from "#base/limits.ts";
import { altNames } from "#wire/altnames.ts";

/** PEM texts, and the DNS names in lower case that the certificate is for. */
export interface Certificate {
  readonly certificate: string;
  readonly key: string;
  readonly names: readonly string[];
}

/** RFC 5280 §4.2.1.12: id-kp-clientAuth, anyExtendedKeyUsage. */
const CLIENT_AUTH: readonly string[] = ["1.3.6.1.5.5.7.3.2", "2.5.29.37.0"];

/** What a listener needs to speak TLS. Made at the start and at a reload; connections keep the one they began with. */
export class ServerTls {
  /** Node hands the bound on to the stream below; its types do not know. */
  readonly #options: tls.TLSSocketOptions & { readonly highWaterMark: number };
  /** By name; "*.example.org" among them. */
  readonly #named = new Map<string, tls.SecureContext>();
  readonly #authorities: readonly X509Certificate[];

  /**
   * The first certificate is shown when no name fits; of two for one name, the first is. With `authorities` (PEM) clients are asked
   * for a certificate. Throws when a text cannot be used.
   */
  constructor(certificates: readonly Certificate[], authorities = "") {
    this.#authorities = certificatesIn(authorities);
    const contexts = certificates.map((each) => contextOf(each, authorities));
    for (const [at, context] of contexts.entries())
      for (const name of certificates[at]?.names ?? [])
        if (!this.#named.has(name)) this.#named.set(name, context);
    const [standard] = contexts;
    if (!standard) throw new Error("There is no certificate");
    this.#options = {
      isServer: true,
      secureContext: standard,
      // no promise, so no connection is kept waiting
      SNICallback: (name, done) => done(null, this.#choose(name) ?? standard),
      requestCert: this.#authorities.length > 0,
      // judged by `emailsOf`; without one the client can still log in with a password
      rejectUnauthorized: false,
      highWaterMark: limits.conn.buffer,
    };
  }

  /** Takes over an accepted socket; "secure" comes when the handshake is done. */
  wrap(socket: Socket): tls.TLSSocket {
    return new tls.TLSSocket(socket, this.#options);
  }

  /** The addresses (rfc822Name) in the certificate that the client has shown, if one of our authorities signed it. */
  emailsOf(socket: tls.TLSSocket, now: number): readonly string[] {
    const shown = this.#authorities.length > 0 ? socket.getPeerX509Certificate() : undefined;
    if (!shown) return [];
    const issuer = this.#authorities.find((authority) => vouches(authority, shown));
    if (!issuer || !inTime(issuer, now) || !inTime(shown, now)) return [];
    // without extended key usages it is good for everything
    const uses: readonly string[] | undefined = shown.keyUsage;
    const forClients = uses === undefined || uses.some((use) => CLIENT_AUTH.includes(use));
    return forClients ? altNames(shown.subjectAltName, "email") : [];
  }

  #choose(asked: string): tls.SecureContext | undefined {
    const name = asked.toLowerCase();
    return this.#named.get(name) ?? this.#named.get(name.replace(/^[^.]+/, "*"));
  }
}

/** Chains are not followed: the file of authorities names those that sign client certificates themselves. */
const vouches = (authority: X509Certificate, shown: X509Certificate): boolean =>
  authority.ca && shown.checkIssued(authority) && shown.verify(authority.publicKey);

const inTime = ({ validFromDate, validToDate }: X509Certificate, now: number): boolean =>
  now >= validFromDate.getTime() && now <= validToDate.getTime();

function contextOf({ certificate, key }: Certificate, authorities: string): tls.SecureContext {
  return tls.createSecureContext({
    cert: certificate,
    key,
    ...(authorities === "" ? {} : { ca: authorities }),
    minVersion: "TLSv1.2",
    // sessions of mail are few and far between, and some clients (Microsoft's) drop a resumed one; renegotiation costs us a
    // handshake for a few bytes of the client
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
  });
}

/** The certificates of a PEM text. Throws when one is broken. */
export function certificatesIn(pem: string): readonly X509Certificate[] {
  const found = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  return found.map((each) => new X509Certificate(each));
}
