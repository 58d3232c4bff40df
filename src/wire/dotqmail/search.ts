// Which .qmail file an address has: the names in the order in which they are looked for (qmail-local(8)).

/** ASCII only, as qmail: letters beyond it are other bytes to it. */
export const lowerAscii = (text: string): string =>
  text.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase());

/** An extension as part of a file name. Dots become colons, so that no name leads to another directory. */
export const safeExtension = (extension: string): string => lowerAscii(extension).replaceAll(".", ":");

export interface Candidate {
  /** Relative to the home. */
  readonly name: string;
  /** The variable DEFAULT when this file is taken: the part of the extension that "default" stands for. */
  readonly default: string | undefined;
}

const DEFAULT = "default";

/** `foo-bar`: foo-bar, foo-default, default. */
export function candidatesFor(dash: string, extension: string): readonly Candidate[] {
  const safe = safeExtension(extension);
  const named = safe.endsWith(DEFAULT) ? extension.slice(-DEFAULT.length) : undefined;
  const found: Candidate[] = [{ name: `.qmail${dash}${safe}`, default: named }];
  for (let end = safe.length; end >= 0; end--) {
    if (end > 0 && safe[end - 1] !== "-") continue;
    found.push({ name: `.qmail${dash}${safe.slice(0, end)}${DEFAULT}`, default: extension.slice(end) });
  }
  return found;
}

/** Files that say who gets reports on what is forwarded. */
export function ownerFiles(
  dash: string,
  extension: string,
): { readonly owner: string; readonly ownerDefault: string } {
  const base = `.qmail${dash}${safeExtension(extension)}-owner`;
  return { owner: base, ownerDefault: `${base}-default` };
}
