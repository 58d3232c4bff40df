// The commands about who gets mail: accounts, domains, aliases and groups.

import { option, type Row, several } from "./row.ts";

const passwordOption = option("--password-stdin", "read the password from standard input");

const quotaOptions = [
  option(
    "--quota <size>",
    'bytes that may lie in the mailbox, such as 1G; "none", or "domain" for what its domain has',
  ),
  option("--messages <number>", 'messages that may lie there; "none" or "domain"'),
];

const accountOptions = [
  ...quotaOptions,
  option("--suspend", "nobody logs in, and mail waits at its sender's server"),
  option("--resume", "takes that back"),
  option(
    "--forward <address>",
    'mail goes on to this address (may be given several times); "none" for nowhere',
  ).argParser(several),
  option("--keep <yes|no>", "whether mail that goes on stays here too (yes)"),
];

const domainOptions = [
  option("--alias-of <domain>", 'another name for that domain; "none" for a domain of its own'),
  option("--catch-all <address>", 'who gets mail for addresses that there are not; "none" for nobody'),
  option("--quota <size>", 'what each account may have that has no quota of its own, such as 1G; "none"'),
  option("--messages <number>", 'the same in messages; "none"'),
  option("--total-quota <size>", 'what all its accounts may have together; "none"'),
  option("--total-messages <number>", 'the same in messages; "none"'),
  option("--max-accounts <number>", 'so many accounts at most; "none"'),
];

const ownerOption = option("--owner <address>", "who gets the bounces (postmaster)");
const verpOption = option(
  "--verp <yes|no>",
  "one sender for each member, so that a bounce tells whose address it is about (no)",
);

export const directoryRows: readonly Row[] = [
  {
    usage: "user add <address>",
    meaning: "make an account; asks for its password on a terminal, else makes one up and prints it",
    options: [passwordOption, ...accountOptions],
    load: async () => (await import("./commands/user.ts")).add,
  },
  {
    usage: "user set <address>",
    meaning: "change what an account may and where its mail goes",
    options: accountOptions,
    load: async () => (await import("./commands/user.ts")).set,
  },
  {
    usage: "user passwd <address>",
    meaning: "change the password of an account",
    options: [passwordOption],
    load: async () => (await import("./commands/user.ts")).passwd,
  },
  {
    usage: "user del <address>",
    meaning: "delete an account; its mail stays on disk",
    load: async () => (await import("./commands/user.ts")).del,
  },
  {
    usage: "user list [domain]",
    meaning: "all accounts",
    load: async () => (await import("./commands/user.ts")).list,
  },
  {
    usage: "user ext add <address> <extension>",
    meaning: "give an extension address (ann-shop@) a password or a mailbox of its own, or change them",
    options: [
      option("--mailbox", "its mail lies in a mailbox of its own, for who logs in as the extension"),
      option("--password", "a password of its own, asked for on a terminal, else made up and printed"),
      passwordOption,
    ],
    load: async () => (await import("./commands/extension.ts")).add,
  },
  {
    usage: "user ext del <address> <extension>",
    meaning: "take them away; mail in a mailbox of its own stays on disk",
    load: async () => (await import("./commands/extension.ts")).del,
  },
  {
    usage: "user ext list <address>",
    meaning: "the extensions of an account that have something of their own",
    load: async () => (await import("./commands/extension.ts")).list,
  },
  {
    usage: "user qmail <address>",
    meaning: "print the instructions (.qmail) of an account or of an extension, or change them",
    options: [
      option("--set <file>", 'take them from a file; "-" is standard input'),
      option("--edit", "change them with $VISUAL or $EDITOR"),
      option("--del", "forget them"),
    ],
    load: async () => (await import("./commands/instructions.ts")).qmail,
  },
  {
    usage: "domain add <name>",
    meaning: "receive mail for a domain",
    options: domainOptions,
    load: async () => (await import("./commands/domain.ts")).add,
  },
  {
    usage: "domain set <name>",
    meaning: "change who gets its mail and what its accounts may",
    options: domainOptions,
    load: async () => (await import("./commands/domain.ts")).set,
  },
  {
    usage: "domain del <name>",
    meaning: "stop receiving mail for a domain",
    load: async () => (await import("./commands/domain.ts")).del,
  },
  {
    usage: "domain list",
    meaning: "all domains",
    load: async () => (await import("./commands/domain.ts")).list,
  },
  {
    usage: "alias add <address> <target...>",
    meaning: "mail for an address goes to others, here or elsewhere; adds to those that it has",
    load: async () => (await import("./commands/alias.ts")).add,
  },
  {
    usage: "alias del <address> [target...]",
    meaning: "delete an alias, or some of its targets",
    load: async () => (await import("./commands/alias.ts")).del,
  },
  {
    usage: "alias list [domain]",
    meaning: "all aliases",
    load: async () => (await import("./commands/alias.ts")).list,
  },
  {
    usage: "group add <address> [member...]",
    meaning: "make a group: its mail goes to all members in its own name, and bounces to its owner",
    options: [ownerOption, verpOption],
    load: async () => (await import("./commands/group.ts")).add,
  },
  {
    usage: "group set <address>",
    meaning: "change the owner of a group, and how its bounces come",
    options: [ownerOption, verpOption],
    load: async () => (await import("./commands/group.ts")).set,
  },
  {
    usage: "group del <address>",
    meaning: "delete a group",
    load: async () => (await import("./commands/group.ts")).del,
  },
  {
    usage: "group list [domain]",
    meaning: "all groups",
    load: async () => (await import("./commands/group.ts")).list,
  },
  {
    usage: "group member add <address> <member...>",
    meaning: "add members to a group",
    load: async () => (await import("./commands/group.ts")).addMembers,
  },
  {
    usage: "group member del <address> <member...>",
    meaning: "take members out of a group",
    load: async () => (await import("./commands/group.ts")).deleteMembers,
  },
  {
    usage: "group member list <address>",
    meaning: "the members of a group",
    load: async () => (await import("./commands/group.ts")).members,
  },
  {
    usage: "directory export [file]",
    meaning: "everything of the above as lines of JSON, with the passwords as they are stored",
    load: async () => (await import("./commands/directory.ts")).exportTo,
  },
  {
    usage: "directory import <file>",
    meaning: 'add and change what such a file says, all or nothing; "-" is standard input',
    options: [
      option("--replace", "what the file does not have is deleted"),
      option("--dry-run", "print what would change, and change nothing"),
    ],
    load: async () => (await import("./commands/directory.ts")).importFrom,
  },
];

export const directoryGroups: Readonly<Record<string, string>> = {
  user: "accounts",
  "user ext": "extension addresses of accounts",
  domain: "domains of ours",
  alias: "addresses that stand for others",
  group: "addresses that stand for their members, with an owner",
  "group member": "who is in a group",
  directory: "all of these in one file",
};
