// Doors: each listener of the configuration with everything that is the same for all its connections, formatted once.

import { constants } from "node:crypto";
import tls from "node:tls";
import { Networks } from "#base/network.ts";
import type { SliceOf } from "#config/slice.ts";
import { greeting, helo } from "#wire/smtp/replies.ts";
import type { Door } from "./state.ts";

type Slice = SliceOf<"smtpd">;

/** The certificate as TLS needs it. Throws when it cannot be used. */
export function secureContext(certificate: string, key: string): tls.SecureContext {
  return tls.createSecureContext({
    cert: certificate,
    key,
    minVersion: "TLSv1.2",
    // sessions of mail are few and far between, and some clients (Microsoft's) drop a resumed one
    secureOptions: constants.SSL_OP_NO_TICKET,
  });
}

/** The doors of a slice by the name of their listener. */
export function doorsOf(slice: Slice, context: tls.SecureContext | undefined): ReadonlyMap<string, Door> {
  return new Map(slice.listeners.map((listener) => [listener.name, doorOf(slice, listener, context)]));
}

function doorOf(
  slice: Slice,
  listener: Slice["listeners"][number],
  context: tls.SecureContext | undefined,
): Door {
  const { hostname, maxSize, maxRecipients } = slice;
  return {
    name: listener.name,
    class: listener.class,
    implicitTls: listener.implicitTls,
    hostname,
    maxSize,
    maxRecipients,
    tls: context,
    greeting: greeting(hostname),
    helo: helo(hostname),
    contact: slice.contact,
    xclient: new Networks(slice.xclient),
  };
}
