// kenro policy explain: what the session rules would say of a made-up session, with every rule's evidence.

import net from "node:net";
import { systemClock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { policySliceOf, rulesOf } from "#config/cut.ts";
import { listenersOf } from "#config/listeners.ts";
import { loadConfig } from "#config/load.ts";
import type { Config } from "#config/schema.ts";
import { forgetful } from "#policy/facts.ts";
import { type Decision, Judge, judgingBy, type StageRecord } from "#policy/judge.ts";
import { openSiteRules } from "#policy/site/rules.ts";
import { listingsBy, openWorld } from "#policy/world.ts";
import { ownAddresses } from "#sys/addresses.ts";
import { realDisk } from "#sys/disk.ts";
import { NetworkResolver } from "#sys/resolver.ts";
import { Workshop } from "#sys/workshop.ts";
import { openAccounts } from "../account.ts";
import { type Call, complain, print, printJson, type Run } from "../call.ts";
import { enter } from "../directory.ts";
import { Refusal, usage } from "../exit.ts";
import { table } from "../text.ts";

interface Made {
  readonly ip: string;
  readonly helo: string;
  readonly from: string;
  readonly recipients: readonly string[];
  readonly listener: string;
}

function sessionOf({ options }: Call): Made {
  const text = (name: string) => (typeof options[name] === "string" ? options[name] : undefined);
  const ip = text("ip") ?? "";
  if (net.isIP(ip) === 0) throw usage("Give the client's address: --ip 192.0.2.1");
  const helo = text("helo");
  if (helo === undefined || helo === "") throw usage("Give the client's name: --helo mail.example.org");
  const from = text("from");
  if (from === undefined) throw usage('Give the sender: --from user@example.org, or --from "" for a bounce');
  const recipients = (options["rcpt"] ?? []) as readonly string[];
  if (recipients.length === 0) throw usage("Give a recipient: --rcpt user@your.domain");
  const listener = text("listener") ?? "mx";
  return { ip, helo, from: from.replace(/^<(.*)>$/, "$1"), recipients, listener };
}

/** The rules that a listener has. */
function rulesAt(config: Config, wanted: string): Parameters<typeof judgingBy>[1] {
  const judged = listenersOf(config).filter(({ class: kind }) => kind === "mx");
  const found = judged.find(({ name }) => name === wanted);
  if (found) return rulesOf(config, found);
  // without one there is nothing to differ from
  if (wanted === "mx") return {};
  const names = judged.map(({ name }) => name).join(", ");
  throw usage(`No listener of class mx is called "${wanted}"; there are: ${names === "" ? "none" : names}`);
}

export const explain: Run = async (call) => {
  const session = sessionOf(call);
  enter(call.directory);
  const loaded = loadConfig(".");
  if (!loaded.ok) throw new Refusal(loaded.error.join("\n"));
  const config = loaded.value;
  const own = rulesAt(config, session.listener);
  const accounts = openAccounts(call.directory);
  const domains = new Set(accounts.domains().map(({ name }) => name));
  accounts[Symbol.dispose]();
  const resolver = new NetworkResolver({ servers: config.dns.servers, clock: systemClock });
  const policy = policySliceOf(config);
  const world = openWorld({
    clock: systemClock,
    disk: realDisk,
    directory: "rules",
    resolver,
    server: {
      hostname: config.hostname,
      addresses: ownAddresses(),
      isLocal: async (domain) => domains.has(domain.toLowerCase()),
    },
    // what the server remembers of senders is of no use to a made-up session
    memory: forgetful,
    traps: policy.traps,
    listings: listingsBy(policy, { clock: systemClock, resolver, trouble: complain }),
    trouble: complain,
  });
  const site = openSiteRules({
    clock: systemClock,
    disk: realDisk,
    directory: "rules",
    workshop: new Workshop({ clock: systemClock, ...limits.site }),
    trouble: complain,
  });
  const judge = new Judge(
    { world, ...judgingBy(policy, own), site, all: true, trouble: complain },
    session.ip,
  );
  judge.hello(session.helo);
  judge.sender(session.from);
  let before = 0;
  let decision: Decision | undefined;
  for (const recipient of session.recipients) {
    const said = await judge.recipient(recipient, before);
    if (said) decision ??= said;
    else before++;
  }
  show(call, decision, await judge.record());
  return 0;
};

function show({ json }: Call, decision: Decision | undefined, stages: readonly StageRecord[]): void {
  if (json) {
    printJson({
      verdict: decision?.kind ?? "accept",
      code: decision?.code ?? 250,
      rule: decision?.rule ?? "",
      text: decision?.text ?? "",
      stages,
    });
    return;
  }
  for (const { stage, rules } of stages) {
    print(stage);
    const rows = rules.map(({ rule, mode, verdict, evidence }) => [`  ${rule}`, mode, verdict, evidence]);
    for (const line of table(["  RULE", "MODE", "VERDICT", "EVIDENCE"], rows)) print(line);
  }
  print("");
  if (!decision) print("The message is accepted (as far as the session tells).");
  else print(`${decision.kind}: ${decision.code} ${decision.enhanced} ${decision.text} (${decision.rule})`);
}
