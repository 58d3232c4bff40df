// Reach: a connection to a service next door, by the place that the configuration names: "unix:/path" or "address:port".

import type { Clock } from "#base/clock.ts";
import { Trouble } from "#base/problem.ts";
import { Conn } from "./conn.ts";
import { connect } from "./connect.ts";
import { dial } from "./local.ts";

/** A connection, or Trouble within `ms`. */
export async function reach(place: string, ms: number, clock: Clock): Promise<Conn> {
  if (place.startsWith("unix:")) return new Conn(await dial(place.slice("unix:".length), ms), clock);
  const [, v6, v4 = "", port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(place) ?? [];
  if (port === undefined) throw new Trouble("connect", `Cannot connect to "${place}": no such place`);
  return connect({ address: v6 ?? v4, port: Number(port), source: "", ms });
}
