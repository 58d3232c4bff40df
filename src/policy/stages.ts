// THE table of policy: at which moment which rules run, in which order. docs/policy.md explains each.

import { access } from "./rules/access.ts";
import { ban } from "./rules/ban.ts";
import { bounceMany } from "./rules/bouncemany.ts";
import { clientDynamic } from "./rules/clientdynamic.ts";
import { clientNameRule } from "./rules/clientname.ts";
import { dnsbl } from "./rules/dnsbl.ts";
import { earlyTalker } from "./rules/earlytalker.ts";
import { exceptionClient } from "./rules/exceptionclient.ts";
import { exceptionHello } from "./rules/exceptionhello.ts";
import { exceptionRecipient } from "./rules/exceptionrecipient.ts";
import { exceptionSender } from "./rules/exceptionsender.ts";
import { greylist } from "./rules/greylist.ts";
import { guesses } from "./rules/guesses.ts";
import { header8bit } from "./rules/header8bit.ts";
import { headerDate } from "./rules/headerdate.ts";
import { headerFrom } from "./rules/headerfrom.ts";
import { helloAddress } from "./rules/helloaddress.ts";
import { helloDotless } from "./rules/hellodotless.ts";
import { helloListed } from "./rules/hellolisted.ts";
import { helloListedUnknown } from "./rules/hellolistedunknown.ts";
import { helloOwn } from "./rules/helloown.ts";
import { helloUnresolvable } from "./rules/hellounresolvable.ts";
import { messageScore } from "./rules/messagescore.ts";
import { mimeDepth } from "./rules/mimedepth.ts";
import { recipientListed } from "./rules/recipientlisted.ts";
import { recipientTrap } from "./rules/recipienttrap.ts";
import { reputation } from "./rules/reputation.ts";
import { scoreRule } from "./rules/score.ts";
import { senderDomain } from "./rules/senderdomain.ts";
import { senderListed } from "./rules/senderlisted.ts";
import { senderOnly } from "./rules/senderonly.ts";
import { senderOurs } from "./rules/senderours.ts";
import { spfRule } from "./rules/spf.ts";
import type { Rule, Stage } from "./verdict.ts";

export type StageTable = { readonly [S in Stage]: readonly Rule<S>[] };

export const stages: StageTable = {
  connect: [access, exceptionClient, ban, earlyTalker, clientNameRule, dnsbl],
  hello: [exceptionHello, helloOwn, helloAddress, helloListed],
  sender: [
    exceptionSender,
    senderListed,
    senderOnly,
    helloListedUnknown,
    helloDotless,
    helloUnresolvable,
    clientDynamic,
    senderDomain,
    spfRule,
    senderOurs,
    reputation,
  ],
  // the score is complete only now; greylisting last, since it is the only one that an honest client must bear
  recipient: [exceptionRecipient, recipientListed, recipientTrap, bounceMany, guesses, scoreRule, greylist],
  // when the whole message has come, before it is taken
  message: [headerFrom, mimeDepth, headerDate, header8bit, messageScore],
};

/** The table with the rules of these ids first in their stages, in this order. */
export function stagesBy(order: readonly string[]): StageTable {
  const place = ({ id }: Pick<Rule, "id">) => (order.includes(id) ? order.indexOf(id) : order.length);
  const sorted = Object.entries(stages).map(([stage, rules]) => {
    const each: readonly Pick<Rule, "id">[] = rules;
    return [stage, each.toSorted((one, other) => place(one) - place(other))];
  });
  return Object.fromEntries(sorted) as StageTable;
}

/** Ids of all rules, in the order in which they run first. */
export const ruleIds: readonly string[] = [
  ...new Set(Object.values(stages).flatMap((rules) => rules.map(({ id }) => id))),
];
