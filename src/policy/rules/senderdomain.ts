// sender-domain: an answer must be possible: the sender has a domain, and that takes mail.

import { Networks } from "#base/network.ts";
import type { FactsOf } from "../facts.ts";
import { accept, defer, reject, rule, score, type Verdict } from "../verdict.ts";

/** qmail's VERP seeds, which never stand on the wire of others: `list-@host-@[]`. */
const VERP_SEED = /-@[^@]*-@\[\]$/;

/** Addresses that nobody outside can reach: this machine, private networks, links, groups. */
const unreachable = new Networks([
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "224.0.0.0/3",
  "::/127",
  "fc00::/7",
  "fe80::/10",
  "ff00::/8",
]);

export const senderDomain = rule({
  id: "sender-domain",
  stage: "sender",
  meaning: "The sender has no domain, or one without MX and address or with the null MX.",
  mode: "enforce",
  spares: "reliable",
  judge: (facts) => {
    const { address, domain } = facts.sender;
    if (address === "" || VERP_SEED.test(address)) return accept();
    // RFC 5321 §4.1.3: a literal is where it says
    if (/^\[.*\]$/.test(domain)) return accept("an address literal");
    if (domain === "") return no(`<${address}> has no domain`, { code: 553, enhanced: "5.1.7" });
    if (!domain.includes(".")) return no(`the domain of <${address}> is no full name`);
    return judgeDomain(facts);
  },
});

async function judgeDomain({ client, sender }: FactsOf["sender"]): Promise<Verdict> {
  const found = await sender.exchangers();
  switch (found.kind) {
    case "none":
      return no(`${sender.domain} has neither MX nor address in DNS`);
    case "nullMx":
      // RFC 7505 §4.2
      return no(`${sender.domain} takes no mail (its MX says so)`, { enhanced: "5.7.27" });
    case "later": {
      const text = `DNS does not tell now whether ${sender.domain} takes mail; try again`;
      return defer(text, found.why, { code: 451, enhanced: "4.4.3" });
    }
    case "found": {
      const nowhere = await leadsNowhere(client, found.hosts);
      // a site that sends from behind its own walls may publish this by mistake
      return nowhere ? score(3, `mail for it would go to ${nowhere}`) : accept(found.hosts.join(", "));
    }
  }
}

function no(what: string, more: { code?: number; enhanced?: string } = {}): Verdict {
  const text = `Nobody could answer: ${what}; use an address that takes mail`;
  return reject(text, what, { enhanced: "5.1.8", ...more });
}

/** All exchangers are loopback, private or the like: a domain that was made to send only. */
async function leadsNowhere(
  client: FactsOf["sender"]["client"],
  hosts: readonly string[],
): Promise<string | undefined> {
  const { resolver } = client.world;
  const answers = await Promise.all(hosts.slice(0, 5).map((host) => resolver.addresses(host)));
  const addresses: string[] = [];
  for (const answer of answers) {
    if (answer.kind === "later") return undefined;
    if (answer.kind === "found") addresses.push(...answer.records);
  }
  // on a private network, whose DNS names private addresses, they can be reached
  if (addresses.length === 0 || unreachable.has(client.address)) return undefined;
  return addresses.every((address) => unreachable.has(address))
    ? addresses.slice(0, 3).join(", ")
    : undefined;
}
