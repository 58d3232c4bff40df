// Names of the programs for .qmail files: `kenro NAME`, and scripts of these names that lspawn puts on the PATH of programs.

import { helperNames } from "#store/dotqmail/programs.ts";

/** Whether a first word is one of these names. */
export const isHelper = (word: string | undefined): word is (typeof helperNames)[number] =>
  helperNames.some((name) => name === word);
