// A command as a row of a table: how it is called, what it does, where it is.

import { Option } from "commander";
import type { Run } from "./call.ts";

export interface Row {
  /** "user add <address>" */
  readonly usage: string;
  readonly meaning: string;
  readonly options?: readonly Option[];
  /** Its own file is loaded only when it runs. */
  readonly load: () => Promise<Run>;
}

export const option = (flags: string, meaning: string): Option => new Option(flags, meaning);

/** For an option that may be given several times. */
export const several = (value: string, before: readonly string[] | undefined): readonly string[] => [
  ...(before ?? []),
  value,
];
