// Folder: where in a mailbox the mail for an extension goes: into the folder of that name, if its owner has made one.

import { REJECTS } from "#store/maildir/rejects.ts";
import type { Disk } from "#sys/disk.ts";
import { parseUtf7 } from "#wire/imap/utf7.ts";

/** The Maildir of the folder that an extension names, in any case, "-" for a step down; else the mailbox itself. */
export async function folderFor(disk: Disk, maildir: string, ext: string | undefined): Promise<string> {
  if (ext === undefined) return maildir;
  const wanted = levels(ext);
  const found = (await disk.list(maildir)).find(
    // what lies in Rejects goes after a while, and must not be mail that was accepted
    (name) => name.startsWith(".") && name !== REJECTS && levels(named(name)) === wanted,
  );
  return found === undefined ? maildir : `${maildir}/${found}`;
}

/** As its owner reads it; a name that is not well formed is nobody's. */
function named(entry: string): string {
  const name = parseUtf7(entry.slice(1));
  return name.ok ? name.value : "";
}

const levels = (name: string): string => name.normalize("NFC").toLowerCase().replaceAll(".", "-");
