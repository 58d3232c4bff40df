// Which messages of the queue a command means: ids, and options that filter.

import { parseDuration } from "#config/units.ts";
import { messageStates, type Selection } from "#talk/queuecontrol.ts";
import type { Call } from "./call.ts";
import { Refusal, usage } from "./exit.ts";

/** More than these are meant with a filter. */
const IDS = 1000;

/** Characters: no id is longer, and no address. */
const ID = 64;
const ADDRESS = 512;

/** The ids a command was given. */
export function idsOf({ args }: Call): readonly string[] {
  const ids = args.filter((each) => each !== undefined);
  if (ids.length > IDS) throw usage(`Give at most ${IDS} ids at a time, or a filter such as --sender`);
  const wrong = ids.find((id) => id.length > ID);
  if (wrong !== undefined) throw new Refusal(`No message has an id such as "${wrong.slice(0, ID)}…"`);
  return ids;
}

/** What the arguments and options select; empty is everything. Refusal (usage) when one cannot be understood. */
export function selectionOf(call: Call, now = Date.now()): Selection {
  const option = (name: string) => (typeof call.options[name] === "string" ? call.options[name] : undefined);
  const [sender, recipient, age, status] = ["sender", "recipient", "age", "status"].map(option);
  const ids = idsOf(call);
  const where: { -readonly [K in keyof Selection]: Selection[K] } = {};
  if (ids.length > 0) where.ids = ids;
  if (sender !== undefined) where.sender = addressOf("--sender", sender);
  if (recipient !== undefined) where.recipient = addressOf("--recipient", recipient);
  if (age !== undefined) where.before = Math.max(0, now - ageOf(age));
  if (status !== undefined) where.state = stateOf(status);
  return where;
}

function addressOf(option: string, given: string): string {
  const address = given.replace(/^<(.*)>$/, "$1");
  const isNull = option === "--sender" && address === "";
  // an address here may have no domain: cron's mail, or a bounce of a bounce
  if (isNull || (/^\S+$/.test(address) && address !== "@" && address.length <= ADDRESS)) return address;
  const more = option === "--sender" ? ', or "<>" for bounces' : "";
  throw usage(`Cannot use ${option} "${given}": give an address, or @domain for all of a domain${more}`);
}

function ageOf(given: string): number {
  const age = parseDuration(given);
  if (age.ok) return age.value;
  throw usage(`Cannot use --age "${given}": give how long it has waited at least, such as 30m, 2h or 3d`);
}

function stateOf(given: string): (typeof messageStates)[number] {
  const state = messageStates.find((each) => each === given);
  if (state) return state;
  throw usage(`Cannot use --status "${given}": give one of ${messageStates.join(", ")}`);
}
