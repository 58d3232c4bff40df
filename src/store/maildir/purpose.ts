// What a mailbox is for, by its name: there is no other sign of it in a Maildir. The names are those that mail programs give (RFC 6154 §2 has the purposes).

const JUNK: ReadonlySet<string> = new Set([
  "junk",
  "junk e-mail",
  "junk email",
  "junk mail",
  "junk-e-mail",
  "spam",
  "bulk mail",
]);

const TRASH: ReadonlySet<string> = new Set(["trash", "deleted", "deleted items", "deleted messages", "bin"]);

/** Without the parent that some clients put everything below. */
const plain = (name: string): string => name.toLowerCase().replace(/^inbox\//, "");

/** Mail that nobody wanted lies there, or below. */
export const isJunk = (name: string): boolean => JUNK.has(plain(name).split("/")[0] ?? "");

/** Mail that is about to go. */
export const isTrash = (name: string): boolean => TRASH.has(plain(name).split("/")[0] ?? "");
