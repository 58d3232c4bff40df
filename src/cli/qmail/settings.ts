// Settings of kenro.toml for what qmail has in control/: only those are changed that nobody has chosen otherwise.

import { isDeepStrictEqual } from "node:util";
import type { Value } from "#config/document.ts";
import { type Config, sections } from "#config/schema.ts";
import { formatSize } from "#config/units.ts";
import type { Setting } from "#config/values.ts";
import { parseNumber, parseValue } from "#wire/qmail/control.ts";
import type { Finding } from "./findings.ts";
import type { QmailSite } from "./source.ts";

type Place = Pick<Finding, "source" | "line">;

/** The settings as they are and as they will be. */
export class Settings {
  readonly #config: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Lists while they grow. */
  readonly #lists = new Map<string, readonly string[]>();

  constructor(config: Config) {
    this.#config = config as unknown as Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  }

  /** What one value would change. */
  set(place: Place, key: string, value: Value): Finding {
    const { section, name, row, now } = this.#find(key);
    if (!row)
      return { ...place, outcome: "not", text: `this version has no setting ${key} (${show(value)})` };
    const parsed = row.type.safeParse(value);
    if (!parsed.success)
      return {
        ...place,
        outcome: "not",
        text: `${key} = ${show(value)}: ${parsed.error.issues[0]?.message}`,
      };
    if (isDeepStrictEqual(parsed.data, now))
      return { ...place, outcome: "same", text: `${key} = ${show(value)}` };
    const usual = row.type.safeParse(row.standard);
    if (!usual.success || !isDeepStrictEqual(usual.data, now))
      return {
        ...place,
        outcome: "left",
        text: `${key} is ${show(now as Value)} here; qmail has ${show(value)}`,
      };
    const change = { kind: "setting", section, name, value } as const;
    return { ...place, outcome: "change", text: `${key} = ${show(value)}`, change };
  }

  /** What one more entry of a list would change. */
  add(place: Place, key: string, entry: string): Finding {
    const { section, name, row, now } = this.#find(key);
    if (!row) return { ...place, outcome: "not", text: `this version has no setting ${key} ("${entry}")` };
    const before = this.#lists.get(key) ?? (now as readonly string[]);
    if (before.includes(entry)) return { ...place, outcome: "same", text: `${key} has "${entry}"` };
    const value = [...before, entry];
    const parsed = row.type.safeParse(value);
    if (!parsed.success)
      return {
        ...place,
        outcome: "not",
        text: `${key} cannot have "${entry}": ${parsed.error.issues[0]?.message}`,
      };
    this.#lists.set(key, value);
    const change = { kind: "setting", section, name, value } as const;
    return { ...place, outcome: "change", text: `${key} gets "${entry}"`, change };
  }

  #find(key: string) {
    const [section = "", name = ""] = key.split(".");
    const known = sections as Readonly<
      Record<string, { readonly settings: Readonly<Record<string, Setting>> }>
    >;
    return { section, name, row: known[section]?.settings[name], now: this.#config[section]?.[name] };
  }
}

const show = (value: Value): string => (Array.isArray(value) ? JSON.stringify(value) : String(value));

/** 0 is no limit, which nobody has here. */
const sizeOf = (text: string): string | undefined => {
  const bytes = parseNumber(text) ?? 0;
  return bytes === 0 ? undefined : formatSize(bytes);
};

/** Files with one value: the setting that has it here. */
const scalars: Readonly<
  Record<string, { readonly key: string; readonly of: (text: string) => Value | undefined }>
> = {
  defaulthost: { key: "drop.domain", of: parseValue },
  defaultdomain: { key: "drop.default_domain", of: parseValue },
  plusdomain: { key: "drop.plus_domain", of: parseValue },
  envnoathost: { key: "qmail.envnoathost", of: parseValue },
  databytes: { key: "smtp.max_size", of: sizeOf },
  concurrencylocal: { key: "queue.local_concurrency", of: parseNumber },
  concurrencyremote: { key: "queue.remote_concurrency", of: parseNumber },
  queuelifetime: { key: "queue.lifetime", of: (text) => `${parseNumber(text) ?? 0}s` },
  // the file that Life with qmail has for the argument of qmail-start
  defaultdelivery: { key: "system_users.default_delivery", of: (text) => text.replace(/\n+$/, "") },
  timeoutsmtpd: { key: "smtp.command_timeout", of: (text) => `${parseNumber(text) ?? 0}s` },
};

const BOUNCES =
  "bounces come from MAILER-DAEMON at hostname; what bounces again goes to postmaster at hostname";
const FIXED = "times for each part of a conversation are those of RFC 5321 §4.5.3.2";

/** Files that have no setting here, and why none is needed. */
const notes: Readonly<Record<string, string>> = {
  bouncefrom: BOUNCES,
  bouncehost: BOUNCES,
  doublebouncehost: BOUNCES,
  doublebounceto: BOUNCES,
  helohost: "EHLO says hostname; a [[route]] may say another name (hello)",
  idhost: "Message-IDs that are added end in hostname (QMAILIDHOST for kenro inject)",
  localiphost: "mail for [address] is not taken: say the domain",
  smtpgreeting: "the greeting begins with hostname",
  timeoutconnect: FIXED,
  timeoutremote: FIXED,
  qmqpservers: "kenro qmqpc reads this file where it is, if there is no /etc/kenro/qmqpservers",
};

/** Files that others look at. */
const elsewhere: ReadonlySet<string> = new Set([
  "me",
  "locals",
  "virtualdomains",
  "rcpthosts",
  "morercpthosts",
  "percenthack",
  "smtproutes",
  "badmailfrom",
]);

/** What single values say, and a word about every other file. */
export function scalarFindings({ control }: QmailSite, settings: Settings): readonly Finding[] {
  return [...control].flatMap(([name, text]): readonly Finding[] => {
    const source = `control/${name}`;
    const scalar = Object.hasOwn(scalars, name) ? scalars[name] : undefined;
    if (scalar) {
      const value = scalar.of(text);
      if (value === undefined || value === "")
        return [{ source, outcome: "note", text: `says nothing that ${scalar.key} could have` }];
      return [settings.set({ source }, scalar.key, value)];
    }
    if (Object.hasOwn(notes, name)) return [{ source, outcome: "note", text: notes[name] ?? "" }];
    if (elsewhere.has(name)) return [];
    return [
      { source, outcome: "not", text: "no program of netqmail reads this file; nothing was made of it" },
    ];
  });
}
