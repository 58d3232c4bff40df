// The argument of BDAT (RFC 3030 §2): how many octets follow, and whether they are the last.

export interface ChunkHead {
  /** Octets that follow the line, whatever is wrong with the rest of it. */
  readonly octets: number;
  readonly last: boolean;
  /** Something else stands behind the size. */
  readonly flawed: boolean;
}

/** Undefined when nobody can say how many octets follow. */
export function parseChunk(argument: string): ChunkHead | undefined {
  const [, digits = "", rest = ""] = /^(\d{1,20})(?: +(.*))?$/.exec(argument) ?? [];
  const octets = Number(digits);
  if (digits === "" || !Number.isSafeInteger(octets)) return undefined;
  const last = rest.toUpperCase() === "LAST";
  return { octets, last, flawed: rest !== "" && !last };
}
