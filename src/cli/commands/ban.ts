// kenro ban add, del, list: clients that may not come for a time.

import { parseDuration } from "#config/units.ts";
import { type Ban, banAdd, banDelete, banList } from "#talk/recall.ts";
import { print, printJson, type Run } from "../call.ts";
import { Refusal, usage } from "../exit.ts";
import { author } from "../rulesdirectory.ts";
import { withRole } from "../server.ts";
import { formatTime, harmless, table } from "../text.ts";

/** A ban that ends never would be forgotten by whoever wrote it. */
const LONGEST = 10 * 366 * 86_400_000;
const USUAL = "1d";
const PAGE = 500;

const text = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

export const add: Run = async ({ directory, args: [client = ""], options, json }) => {
  const wanted = text(options["for"]) ?? USUAL;
  const time = parseDuration(wanted);
  if (!time.ok || time.value === 0 || time.value > LONGEST)
    throw usage(`Cannot ban for "${wanted}": give a duration such as 1h or 7d, at most ten years`);
  const since = Date.now();
  const ban: Ban = {
    client,
    since,
    until: since + time.value,
    why: (text(options["comment"]) ?? "banned by the administrator").slice(0, 500),
    author: author().slice(0, 64),
  };
  const { problem } = await withRole(directory, "ledger", (ask) => ask(banAdd, ban));
  if (problem !== "") throw usage(`Cannot ban "${client}": ${problem}`);
  if (json) printJson(ban);
  else print(`${client} is banned until ${formatTime(ban.until)}`);
  return 0;
};

export const del: Run = async ({ directory, args: [client = ""], json }) => {
  const { found } = await withRole(directory, "ledger", (ask) => ask(banDelete, { client }));
  if (!found) throw new Refusal(`"${client}" is not banned; see: kenro ban list`);
  if (json) printJson({ client });
  else print(`${client} may come again`);
  return 0;
};

export const list: Run = async ({ directory, json }) => {
  const bans: Ban[] = [];
  await withRole(directory, "ledger", async (ask) => {
    for (let after = ""; ; ) {
      const page = await ask(banList, { after, most: PAGE });
      bans.push(...page.bans);
      const last = page.bans.at(-1);
      if (!last) return;
      after = last.client;
    }
  });
  if (json) printJson(bans);
  else if (bans.length === 0) print("Nobody is banned");
  else {
    const rows = bans.map(({ client, until, author: by, why }) => [
      client,
      formatTime(until),
      harmless(by),
      harmless(why),
    ]);
    for (const line of table(["CLIENT", "UNTIL", "BY", "WHY"], rows)) print(line);
  }
  return 0;
};
