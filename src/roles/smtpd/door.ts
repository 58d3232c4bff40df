// Doors: each listener of the configuration with everything that is the same for all its connections, formatted once.

import type { Clock } from "#base/clock.ts";
import { Networks } from "#base/network.ts";
import type { SliceOf } from "#config/slice.ts";
import { ServerTls } from "#sys/tls.ts";
import { greeting, helo } from "#wire/smtp/replies.ts";
import { checkersOf } from "./content/checkers.ts";
import type { Door } from "./state.ts";

type Slice = SliceOf<"smtpd">;
type Listener = Slice["listeners"][number];

/** The doors of a slice by the name of their listener. Throws when a certificate cannot be used. */
export function doorsOf(slice: Slice, clock: Clock): ReadonlyMap<string, Door> {
  const contexts = new Map<string, ServerTls>();
  return new Map(
    slice.listeners.map((listener) => [
      listener.name,
      doorOf(slice, listener, { tls: tlsOf(slice, listener, contexts), clock }),
    ]),
  );
}

/** Whose mail comes by another protocol is looked at as theirs. */
const kin: Readonly<Record<Listener["class"], Slice["content"][number]["classes"][number]>> = {
  mx: "mx",
  submission: "submission",
  lan: "lan",
  qmtp: "mx",
  qmqp: "lan",
};

/** One for all listeners that ask for the same client certificates. */
function tlsOf(
  { certificates }: Slice,
  { tls, clientCa }: Listener,
  made: Map<string, ServerTls>,
): ServerTls | undefined {
  if (tls === "none" || certificates.length === 0) return undefined;
  const context = made.get(clientCa) ?? new ServerTls(certificates, clientCa);
  made.set(clientCa, context);
  return context;
}

function doorOf(
  { hostname, contact, xclient, policy, content, relayHosts, percentHack, bareHost }: Slice,
  listener: Listener,
  { tls, clock }: { readonly tls: ServerTls | undefined; readonly clock: Clock },
): Door {
  return {
    ...listener,
    implicitTls: listener.tls === "implicit",
    serves:
      listener.class === "lan" || listener.class === "qmqp" ? new Networks(listener.networks) : undefined,
    proxies: new Networks(listener.proxy),
    hostname,
    tls,
    greeting: greeting(hostname),
    helo: helo(hostname),
    contact,
    xclient: new Networks(xclient),
    checkers: checkersOf(
      content.filter(({ classes }) => classes.includes(kin[listener.class])),
      clock,
    ),
    greetDelay: policy.greetDelay,
    rejects: policy.rejects,
    relayHosts: new Set(relayHosts),
    percentHack: new Set(percentHack),
    bareHost,
  };
}
