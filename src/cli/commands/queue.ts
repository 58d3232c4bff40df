// kenro queue list, show, stats, retry: messages that wait for delivery. What is done to them otherwise is in order.ts.

import {
  AGES,
  queueList,
  queueRetry,
  queueShow,
  queueStats,
  type Selection,
  type ShownMessage,
  type Stats,
} from "#talk/queuecontrol.ts";
import { classify, failures } from "#wire/smtp/failure.ts";
import { type Call, complain, print, printJson, type Run } from "../call.ts";
import { enter } from "../directory.ts";
import { droppedMessages } from "../dropped.ts";
import { type ExitCode, Refusal } from "../exit.ts";
import { type Listing, listingOf, standing } from "../listing.ts";
import { idsOf, selectionOf } from "../selection.ts";
import { withRole } from "../server.ts";
import { type Offline, offlineQueue } from "../spool.ts";
import { formatAge, formatSize, formatTime, harmless, table } from "../text.ts";

/** Messages of one answer; far below what one frame holds. */
const PAGE = 100;

export const list: Run = async (call) => {
  const { directory, json, options } = call;
  const where = selectionOf(call);
  const out = listingOf(json, options["format"]);
  enter(directory);
  const offline = await offlineQueue(where);
  if (offline) return listOffline(offline, out, call);
  // a file that has just been taken may be there still
  const taken = new Set<string>();
  return withRole<ExitCode>(directory, "queue", async (ask) => {
    let after = "";
    for (;;) {
      const { messages } = await ask(queueList, { after, most: PAGE, where });
      for (const message of messages) {
        if (message.id.startsWith("drop-")) taken.add(message.id);
        out.message(message);
      }
      const last = messages.at(-1);
      if (last === undefined || last.id === after) break;
      after = last.id;
    }
    await listDropped(where, out, taken);
    out.end();
    return 0;
  });
};

async function listDropped(where: Selection, out: Listing, taken: ReadonlySet<string>): Promise<void> {
  for await (const message of droppedMessages(where)) if (!taken.has(message.id)) out.message(message);
}

async function listOffline({ messages, damaged }: Offline, out: Listing, call: Call): Promise<ExitCode> {
  if (!call.json) print(`No server runs in "${call.directory}"; this is what its queue holds:`);
  for (const message of messages) out.message(message);
  await listDropped(selectionOf(call), out, new Set(messages.map(({ id }) => id)));
  out.end();
  const parts = damaged === 1 ? "1 part of the spool" : `${damaged} parts of the spool`;
  if (damaged > 0) complain(`Cannot read ${parts}; the next start puts a copy into spool/damaged`);
  return 0;
}

export const show: Run = async (call) => {
  const { directory, json, options } = call;
  const [id = ""] = idsOf(call);
  const message = await withRole(directory, "queue", async (ask) => {
    const header = options["headers"] === true;
    const { message: first } = await ask(queueShow, { id, from: 0, header });
    if (!first) throw notThere(id);
    const recipients = [...first.recipients];
    while (recipients.length < first.count) {
      const { message: next } = await ask(queueShow, { id, from: recipients.length, header: false });
      // it has left the queue meanwhile
      if (!next || next.recipients.length === 0) break;
      recipients.push(...next.recipients);
    }
    const text = first.header && Buffer.from(first.header, "latin1").toString("utf8");
    return { ...first, recipients, header: text };
  });
  if (json) printJson({ ...message, recipients: message.recipients.map(withFailure) });
  else showText(message);
  return 0;
};

export const notThere = (id: string): Refusal =>
  new Refusal(`No message "${id}" is in the queue; see: kenro queue list`);

type ShownRecipient = ShownMessage["recipients"][number];

/** What kind of failure kept a recipient from its mail; undefined when none has. */
const failureOf = ({ state, attempts, status, reason }: ShownRecipient) =>
  attempts === 0 || ["delivered", "relayed", "handed", "expanded"].includes(state)
    ? undefined
    : classify({ code: status, text: reason });

const withFailure = (recipient: ShownRecipient) => ({ ...recipient, failure: failureOf(recipient) });

function showText(message: ShownMessage): void {
  const { id, sender, size, arrived, state, header } = message;
  const line = (name: string, text: string) => print(`${name.padEnd(10)}${harmless(text)}`);
  line("Message", id);
  line("From", `<${sender}>`);
  line("Arrived", `${formatTime(arrived)}, ${formatAge(Date.now() - arrived)} ago`);
  line("Size", formatSize(size));
  line("Status", message.warned ? `${state}; its sender was told of the delay` : state);
  const wishes = wishesOf(message);
  if (wishes.length > 0) line("Envelope", wishes.join("; "));
  for (const recipient of message.recipients) showRecipient(recipient, state === "held");
  if (header === undefined) return;
  print("");
  for (const each of header.trimEnd().split(/\r?\n/)) print(harmless(each.replaceAll("\t", " ")));
}

function showRecipient(recipient: ShownRecipient, held: boolean): void {
  const { address, notify, original, next, status, reason } = recipient;
  print("");
  const at = next > Date.now() ? ` (${formatTime(next)})` : "";
  print(`To <${harmless(address)}>: ${standing(recipient, held)}${at}`);
  if (notify) print(`    NOTIFY ${notify.length === 0 ? "never" : notify.join(", ")}`);
  if (original !== undefined) print(`    ORCPT ${harmless(original)}`);
  const failure = failureOf(recipient);
  if (failure) print(`    ${failure}: ${failures[failure]}`);
  if (reason !== "") print(`    ${harmless(`${status} ${reason}`.trim())}`);
}

/** What the sender asked for, in words. */
function wishesOf({ envelope }: ShownMessage): readonly string[] {
  const { body, submitted, rejected, utf8, ret, envid, requireTls, deliverBy, holdUntil, priority } =
    envelope;
  return [
    submitted ? "handed in by a user" : "",
    rejected ? "refused; on its way to Rejects" : "",
    body === "7bit" ? "" : `BODY=${body.toUpperCase()}`,
    utf8 ? "SMTPUTF8" : "",
    requireTls ? "REQUIRETLS" : "",
    ret ? `RET=${ret.toUpperCase()}` : "",
    envid === undefined ? "" : `ENVID=${envid}`,
    deliverBy ? `to be delivered by ${formatTime(deliverBy.time)}` : "",
    holdUntil === undefined ? "" : `not before ${formatTime(holdUntil)}`,
    priority === undefined ? "" : `priority ${priority}`,
  ].filter((each) => each !== "");
}

export const stats: Run = async ({ directory, json }) => {
  const counted = await withRole(directory, "queue", (ask) => ask(queueStats, {}));
  const ages = counted.ages.map((messages, at) => ({ seconds: (AGES[at] ?? 0) / 1000 || null, messages }));
  if (json) printJson({ ...counted, ages });
  else statsText(counted);
  return 0;
};

function statsText({ messages, size, oldest, states, ages, failures: kinds, domains, others }: Stats): void {
  if (messages === 0) return print("The queue is empty");
  const now = Date.now();
  print(
    `${messages} message${messages === 1 ? "" : "s"}, ${formatSize(size)}, the oldest ${formatAge(now - oldest)} old`,
  );
  print(
    Object.entries(states)
      .map(([state, count]) => `${state} ${count}`)
      .join(", "),
  );
  const age = (at: number) => {
    const most = AGES[at];
    return most === undefined ? "older" : `up to ${formatAge(most)}`;
  };
  const section = (head: readonly string[], rows: readonly (readonly string[])[]) => {
    print("");
    for (const line of table(head, rows)) print(line);
  };
  section(
    ["AGE", "MESSAGES"],
    ages.map((count, at) => [age(at), String(count)]),
  );
  section(
    ["FAILURE", "RECIPIENTS", "MEANING"],
    kinds.map(({ failure, recipients }) => {
      const meaning = Object.hasOwn(failures, failure) ? failures[failure as keyof typeof failures] : "";
      return failure === ""
        ? ["none", String(recipients), "not tried yet"]
        : [failure, String(recipients), meaning];
    }),
  );
  section(
    ["DESTINATION", "RECIPIENTS", "DEFERRED", "OLDEST"],
    domains.map((each) => [
      harmless(each.domain),
      String(each.recipients),
      String(each.deferred),
      formatAge(now - each.oldest),
    ]),
  );
  if (others > 0) print(`and ${others} more`);
}

export const retry: Run = async (call) => {
  const where = selectionOf(call);
  const { count } = await withRole(call.directory, "queue", (ask) => ask(queueRetry, { id: "", where }));
  if (call.json) printJson({ count });
  const [id, ...more] = idsOf(call);
  if (id !== undefined && more.length === 0 && count === 0)
    throw new Refusal(`No message "${id}" waits in the queue; see: kenro queue list`);
  if (!call.json) print(`${count} recipient${count === 1 ? " is" : "s are"} tried now`);
  return 0;
};
