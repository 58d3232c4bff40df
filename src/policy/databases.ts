// Databases: antibadmail's lists of names, one entry a file or a line, and the keys under which a name is looked for.

export const databaseNames = ["badhelo", "badhelo/unknown", "badmailfrom", "badrcptto"] as const;
export type DatabaseName = (typeof databaseNames)[number];

export interface Databases {
  /** The first of the keys that is an entry, and the feed that it is from. Keys are in lower case. */
  find(database: DatabaseName, keys: readonly string[]): Promise<string | undefined>;
}

/** A host name, then its suffixes that begin with a dot, the longest first: as tcprules walks them. */
export function nameKeys(name: string): readonly string[] {
  const lower = name.toLowerCase().replace(/\.$/, "");
  return [lower, ...suffixes(lower)];
}

/** `user@domain`, `@domain`, then the suffixes of the domain. */
export function addressKeys(address: string): readonly string[] {
  const lower = address.toLowerCase();
  const at = lower.lastIndexOf("@");
  if (at < 0) return [lower];
  const domain = lower.slice(at + 1);
  return [lower, `@${domain}`, ...suffixes(domain)];
}

function suffixes(name: string): readonly string[] {
  const found: string[] = [];
  for (let dot = name.indexOf("."); dot >= 0; dot = name.indexOf(".", dot + 1))
    if (dot > 0) found.push(name.slice(dot));
  return found;
}
