// What the ledger is told of messages that people move: into Junk, and out of it again (docs/ledger.md).

import type { Message } from "#store/maildir/folder.ts";
import { originOf } from "#store/maildir/names.ts";
import { isJunk, isTrash } from "#store/maildir/purpose.ts";
import type { Session } from "./state.ts";

export interface Moved {
  /** Names of mailboxes. */
  readonly from: string;
  readonly to: string;
  readonly copied: readonly Message[];
}

/** Tells it; what lay in Junk and is thrown away was not wanted after all. */
export function tellFates({ fates }: Session, { from, to, copied }: Moved): void {
  if (isJunk(from) === isJunk(to) || isTrash(to)) return;
  const fate = isJunk(to) ? "junked" : "kept";
  for (const { base } of copied) {
    const origin = originOf(base);
    if (origin) fates.tell({ mail: origin.id, of: origin.index, fate });
  }
}
