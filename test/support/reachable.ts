// Whether somebody listens at a place: "unix:/path" or "address:port".

import { systemClock } from "#base/clock.ts";
import { reach } from "#sys/reach.ts";

export async function reachable(place: string): Promise<boolean> {
  try {
    (await reach(place, 1000, systemClock)).destroy();
    return true;
  } catch {
    // not yet
    return false;
  }
}
