// kenro user qmail: the instructions of an account or an extension of one, in the language of .qmail files.

import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { limits } from "#base/limits.ts";
import type { Directory } from "#store/accounts/directory.ts";
import { openAccounts } from "../account.ts";
import { accountAddress, unless } from "../addresses.ts";
import { type Call, print, printJson, type Run } from "../call.ts";
import { Refusal, usage } from "../exit.ts";

export const qmail: Run = async (call) => {
  const { set, edit, del } = call.options;
  if ([set, edit, del].filter((each) => each !== undefined).length > 1)
    throw usage("Give one of --set, --edit and --del");
  const given = accountAddress(call.args[0]);
  // read with the rights of whoever calls; what comes on standard input is there for this process or for the one that takes its place
  const named = set === undefined || set === "-" ? undefined : read(String(set));
  using accounts = openAccounts(call.directory);
  const whose = accounts.whose(given);
  if (!whose) throw new Refusal(`There is no account for ${given.address}; see: kenro user list`);
  const name = whose.ext.replaceAll(".", ":");
  const at = { address: whose.address, name };
  if (del) return forget(accounts, at, call);
  if (set !== undefined) return put(accounts, at, { text: named ?? read("-"), call });
  if (edit) return put(accounts, at, { text: edited(find(accounts, at) ?? ""), call });
  const found = find(accounts, at);
  if (found === undefined) throw none(at);
  if (call.json) printJson({ ...at, text: found });
  else process.stdout.write(found);
  return 0;
};

interface Place {
  readonly address: string;
  /** What follows `.qmail-`. */
  readonly name: string;
}

const fileName = ({ name }: Place): string => (name === "" ? ".qmail" : `.qmail-${name}`);

const find = (accounts: Directory, { address, name }: Place): string | undefined =>
  accounts.instructions(address).find((each) => each.name === name)?.text;

const none = (at: Place): Refusal =>
  new Refusal(`${at.address} has no ${fileName(at)}; make it with: kenro user qmail --edit`);

function put(
  accounts: Directory,
  at: Place,
  { text, call }: { readonly text: string; readonly call: Call },
): 0 {
  unless(accounts.setInstructions(at.address, at.name, text));
  if (call.json) printJson({ ...at, text });
  else print(`Changed ${fileName(at)} of ${at.address}`);
  return 0;
}

function forget(accounts: Directory, at: Place, { json }: Call): 0 {
  if (!accounts.deleteInstructions(at.address, at.name)) throw none(at);
  if (json) printJson(at);
  else print(`Deleted ${fileName(at)} of ${at.address}`);
  return 0;
}

/** All of a file; "-" is standard input. */
function read(file: string): string {
  const bytes = fs.readFileSync(file === "-" ? 0 : file);
  if (bytes.length > limits.directory.instructions)
    throw new Refusal(`Instructions have at most ${limits.directory.instructions} bytes`);
  if (bytes.includes(0)) throw new Refusal("Instructions hold no NUL");
  return bytes.toString("utf8");
}

/** What a person makes of it in an editor. */
function edited(text: string): string {
  const directory = fs.mkdtempSync(path.join(tmpdir(), "kenro-qmail-"));
  try {
    const file = path.join(directory, "qmail");
    fs.writeFileSync(file, text, { mode: 0o600 });
    const editor = process.env["VISUAL"] || process.env["EDITOR"] || "vi";
    // as a shell would: an editor may have options
    const ran = spawnSync("/bin/sh", ["-c", `${editor} "$1"`, "sh", file], { stdio: "inherit" });
    if (ran.status !== 0) throw new Refusal("The editor failed; nothing was changed");
    return read(file);
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}
