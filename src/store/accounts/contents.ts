// Contents: the whole directory as lines of text, one for each domain, account, alias and group, sorted, so that two of them can be compared; and read again, all or
// nothing (docs/directory.md).

import { limits } from "#base/limits.ts";
import { err, ok, type Result } from "#base/result.ts";
import { flag, integer, list, optional, readJson, record, type Shaped, text } from "#base/shape.ts";
import { type AccountAddress, parseAccount, parseDomain, parseExtension, parseTarget } from "./address.ts";
import { isHash } from "./credentials.ts";
import type { Directory } from "./directory.ts";

const address = text(512);
const addresses = list(address, limits.forward.recipients);

const domain = record({
  domain: address,
  aliasOf: optional(address),
  catchAll: optional(address),
  quota: optional(integer(0)),
  messages: optional(integer(0)),
  maxAccounts: optional(integer(0)),
  totalQuota: optional(integer(0)),
  totalMessages: optional(integer(0)),
});

const account = record({
  account: address,
  /** See credentials.ts; of an account that is there it may be missing, and stays. */
  password: optional(text(1000)),
  suspended: optional(flag),
  quota: optional(integer(0)),
  messages: optional(integer(0)),
  forwards: optional(addresses),
  keep: optional(flag),
  extensions: optional(
    list(record({ ext: text(64), mailbox: optional(flag), password: optional(text(1000)) }), 10_000),
  ),
  instructions: optional(
    list(record({ name: text(128), text: text(limits.directory.instructions) }), 10_000),
  ),
});

const alias = record({ alias: address, to: addresses });

const group = record({
  group: address,
  owner: address,
  verp: optional(flag),
  members: addresses,
});

const shapes = { domain, account, alias, group } as const;

type Kind = keyof typeof shapes;

export type Entry =
  | { readonly kind: "domain"; readonly value: Shaped<typeof domain> }
  | { readonly kind: "account"; readonly value: Shaped<typeof account> }
  | { readonly kind: "alias"; readonly value: Shaped<typeof alias> }
  | { readonly kind: "group"; readonly value: Shaped<typeof group> };

type Valued<K extends Kind> = Extract<Entry, { kind: K }>["value"];

/** An entry by what it is about: `account ann@example.org`. */
export const keyOf = ({ kind, value }: Entry): string =>
  `${kind} ${(value as Readonly<Record<string, unknown>>)[kind] as string}`;

export const formatEntry = ({ value }: Entry): string => JSON.stringify(value);

/** One line of a file, with its addresses in the words in which they are kept; or what is wrong with it. */
export function parseEntry(line: string): Result<Entry> {
  let given: unknown;
  try {
    given = JSON.parse(line);
  } catch {
    // whatever the parser says, it is no JSON
    return err("it is not JSON");
  }
  const kinds = Object.keys(shapes) as Kind[];
  const kind = kinds.find((each) => typeof given === "object" && given !== null && each in given);
  if (!kind) return err(`it is none of ${kinds.join(", ")}`);
  const value = readJson<unknown>(shapes[kind], Buffer.from(line));
  if (!value.ok) return value;
  const strange = Object.keys(given as object).find((name) => !(name in (value.value as object)));
  if (strange !== undefined) return err(`"${strange}" is not known here`);
  return folded({ kind, value: value.value } as Entry);
}

/** Collects the first thing that is wrong. */
class Folder {
  problem: string | undefined;

  /** The folded form; as it was when something is wrong with it. */
  take<T>(given: string, parse: (given: string) => Result<T>, word: (value: T) => string): string {
    const parsed = parse(given);
    if (parsed.ok) return word(parsed.value);
    this.problem ??= parsed.error;
    return given;
  }

  account = (given: string): string =>
    this.take(given, parseAccount, (value: AccountAddress) => value.address);
  domain = (given: string): string => this.take(given, parseDomain, (value) => value);
  target = (given: string): string => this.take(given, parseTarget, (value) => value);
  targets = (given: readonly string[]): readonly string[] => [...new Set(given.map(this.target))].sort();

  password(given: string | undefined): void {
    if (given !== undefined && !isHash(given))
      this.problem ??= "its password is not one as it is stored ($argon2id$…)";
  }
}

const folders: { readonly [K in Kind]: (value: Valued<K>, folder: Folder) => Valued<K> } = {
  domain: (value, folder) => ({
    ...value,
    domain: folder.domain(value.domain),
    ...(value.aliasOf === undefined ? {} : { aliasOf: folder.domain(value.aliasOf) }),
    ...(value.catchAll === undefined ? {} : { catchAll: folder.target(value.catchAll) }),
  }),
  account: (value, folder) => {
    folder.password(value.password);
    const extensions = value.extensions?.map((each) => {
      folder.password(each.password);
      return { ...each, ext: folder.take(each.ext, parseExtension, (ext) => ext) };
    });
    return {
      ...value,
      account: folder.account(value.account),
      ...(value.forwards === undefined ? {} : { forwards: folder.targets(value.forwards) }),
      ...(extensions === undefined ? {} : { extensions }),
    };
  },
  alias: (value, folder) => ({ alias: folder.account(value.alias), to: folder.targets(value.to) }),
  group: (value, folder) => ({
    ...value,
    group: folder.account(value.group),
    owner: folder.target(value.owner),
    members: folder.targets(value.members),
  }),
};

function folded(entry: Entry): Result<Entry> {
  const folder = new Folder();
  const fold = folders[entry.kind] as (value: Entry["value"], by: Folder) => Entry["value"];
  const value = fold(entry.value, folder);
  return folder.problem === undefined ? ok({ kind: entry.kind, value } as Entry) : err(folder.problem);
}

/** Everything that the directory holds: domains, then accounts, aliases and groups, each in the order of their domains and names. */
export function contentsOf(directory: Directory): readonly Entry[] {
  return [
    ...directory.domains().map(
      ({ name, accounts: _, created: __, ...settings }): Entry => ({
        kind: "domain",
        value: { domain: name, ...settings },
      }),
    ),
    ...directory.accounts().map(
      ({ address: name, password }): Entry => ({
        kind: "account",
        value: accountEntry(directory, name, password),
      }),
    ),
    ...directory.lists.all().map(({ address: name, to, owner, verp }): Entry => {
      if (owner === undefined) return { kind: "alias", value: { alias: name, to } };
      return { kind: "group", value: { group: name, owner, ...(verp ? { verp } : {}), members: to } };
    }),
  ];
}

function accountEntry(directory: Directory, name: string, password: string): Valued<"account"> {
  const settings = directory.settingsOf(name);
  const extensions = directory.extensions(name).map(({ ext, mailbox, password: own }) => ({
    ext,
    ...(mailbox ? { mailbox } : {}),
    ...(own === undefined ? {} : { password: own }),
  }));
  const instructions = directory
    .instructions(name)
    .map(({ name: of, text: words }) => ({ name: of, text: words }));
  return {
    account: name,
    password,
    ...(settings?.suspended ? { suspended: true } : {}),
    ...(settings?.quota === undefined ? {} : { quota: settings.quota }),
    ...(settings?.messages === undefined ? {} : { messages: settings.messages }),
    ...(settings && settings.forwards.length > 0 ? { forwards: settings.forwards } : {}),
    ...(settings?.keep === false ? { keep: false } : {}),
    ...(extensions.length > 0 ? { extensions } : {}),
    ...(instructions.length > 0 ? { instructions } : {}),
  };
}
