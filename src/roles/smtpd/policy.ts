// The rules of policy as smtpd runs them: their world, made of this role's resolver, files and peers.

import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import type { SliceOf } from "#config/slice.ts";
import type { Logger } from "#log/logger.ts";
import type { Memory } from "#policy/facts.ts";
import { Judge, type JudgeOptions, judgingBy } from "#policy/judge.ts";
import { openSiteRules, type SiteRules } from "#policy/site/rules.ts";
import { listingsBy, openWorld } from "#policy/world.ts";
import { ownAddresses } from "#sys/addresses.ts";
import { glancing } from "#sys/glance.ts";
import { quickDisk } from "#sys/quickdisk.ts";
import { NetworkResolver } from "#sys/resolver.ts";
import { Workshop } from "#sys/workshop.ts";
import type { Caller } from "#talk/caller.ts";
import { isLocal } from "#talk/lookup.ts";
import { Remembered } from "#talk/remembered.ts";

/** Below the data directory. */
const RULES = "rules";

const disk = glancing(quickDisk);

export interface PolicyOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly auth: Caller;
  readonly memory: Memory;
  readonly site: SiteRules;
}

/** The site's own rules, in a thread that begins with the first of them. */
export function siteRules(clock: Clock, log: Logger): SiteRules {
  const { time, memory } = limits.site;
  const workshop = new Workshop({ clock, time, memory });
  const trouble = (text: string) => log.event("trouble", { text });
  return openSiteRules({ clock, disk, directory: RULES, workshop, trouble });
}

/** Makes a judge for each client of a listener, as the slice says. */
export function judgesBy(
  slice: SliceOf<"smtpd">,
  { clock, log, auth, memory, site }: PolicyOptions,
): (address: string, listener: string) => Judge {
  const trouble = (text: string) => log.event("trouble", { text });
  const resolver = new NetworkResolver({ servers: slice.dnsServers, clock });
  const { life, entries } = limits.smtp.localDomains;
  const domains = new Remembered<boolean>({
    clock,
    life,
    entries,
    ask: async (domain) => (await auth.ask(isLocal, { domain })).local,
    fleeting: () => false,
  });
  const world = openWorld({
    clock,
    disk,
    directory: RULES,
    resolver,
    memory,
    traps: slice.policy.traps,
    server: {
      hostname: slice.hostname,
      addresses: ownAddresses(),
      isLocal: (domain) => domains.get(domain.toLowerCase()),
    },
    listings: listingsBy(slice.policy, { clock, resolver, trouble }),
    trouble,
  });
  const optionsBy = (own: Parameters<typeof judgingBy>[1]): JudgeOptions => ({
    world,
    ...judgingBy(slice.policy, own),
    site,
    trouble,
  });
  const listeners = new Map(slice.listeners.map(({ name, rules }) => [name, optionsBy(rules)]));
  const standard = optionsBy({});
  return (address, listener) => new Judge(listeners.get(listener) ?? standard, address);
}
