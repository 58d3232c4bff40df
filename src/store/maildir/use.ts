// Use: how much lies in a Maildir and its folders, counted by the names of the files (`S=`); what has no size there is looked at.

import type { Disk } from "#sys/disk.ts";
import { REJECTS } from "./rejects.ts";

export interface MaildirUse {
  readonly bytes: number;
  readonly messages: number;
}

const SIZE = /,S=(\d{1,15})(?=[,:]|$)/;

/** What lies in all folders but Rejects, which is bounded by itself and not the user's doing. A Maildir that is not there is empty. */
export async function useOf(disk: Disk, maildir: string): Promise<MaildirUse> {
  const folders = (await disk.list(maildir)).filter((name) => /^\.[^.]/.test(name) && name !== REJECTS);
  let bytes = 0;
  let messages = 0;
  for (const folder of [maildir, ...folders.map((name) => `${maildir}/${name}`)]) {
    for (const place of ["new", "cur"]) {
      for (const name of await disk.list(`${folder}/${place}`)) {
        if (name.startsWith(".")) continue;
        const said = SIZE.exec(name)?.[1];
        bytes +=
          said === undefined ? ((await disk.stat(`${folder}/${place}/${name}`))?.size ?? 0) : Number(said);
        messages++;
      }
    }
  }
  return { bytes, messages };
}

/** What lies in all mailboxes below a directory: `NAME/Maildir`. */
export async function useBelow(disk: Disk, directory: string): Promise<MaildirUse> {
  let bytes = 0;
  let messages = 0;
  for (const name of await disk.list(directory)) {
    const use = await useOf(disk, `${directory}/${name}/Maildir`);
    bytes += use.bytes;
    messages += use.messages;
  }
  return { bytes, messages };
}
