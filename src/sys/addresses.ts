// Addresses of this machine, as far as the system knows them: behind a translator the public one is not among them.

import os from "node:os";

export function ownAddresses(): ReadonlySet<string> {
  const all = Object.values(os.networkInterfaces()).flatMap((each) => each ?? []);
  return new Set(all.map(({ address }) => address));
}
