// What FETCH asks for: data items and body sections (RFC 9051 §6.4.5).

import type { Arguments } from "./lexer.ts";
import { formatAstring } from "./response.ts";

export interface Section {
  /** Part numbers: BODY[1.2] is [1, 2]; the message itself is []. */
  readonly part: readonly number[];
  readonly what: "all" | "header" | "fields" | "fieldsNot" | "text" | "mime";
  /** Names for "fields" and "fieldsNot", as given. */
  readonly names: readonly string[];
}

export type FetchItem =
  | { readonly kind: "flags" | "uid" | "internaldate" | "size" | "envelope" | "body" | "bodystructure" }
  | {
      readonly kind: "section";
      readonly section: Section;
      /** First byte and number of bytes. */
      readonly partial: { readonly start: number; readonly length: number } | undefined;
      readonly peek: boolean;
      /** The name it is answered under: "BODY[1.MIME]" or an old one such as "RFC822.TEXT". */
      readonly name: string;
    };

const ALL: Section = { part: [], what: "all", names: [] };

const plain: Readonly<Record<string, readonly FetchItem[]>> = {
  FLAGS: [{ kind: "flags" }],
  UID: [{ kind: "uid" }],
  INTERNALDATE: [{ kind: "internaldate" }],
  "RFC822.SIZE": [{ kind: "size" }],
  ENVELOPE: [{ kind: "envelope" }],
  BODYSTRUCTURE: [{ kind: "bodystructure" }],
  RFC822: [{ kind: "section", section: ALL, partial: undefined, peek: false, name: "RFC822" }],
  "RFC822.HEADER": [
    {
      kind: "section",
      section: { ...ALL, what: "header" },
      partial: undefined,
      peek: true,
      name: "RFC822.HEADER",
    },
  ],
  "RFC822.TEXT": [
    {
      kind: "section",
      section: { ...ALL, what: "text" },
      partial: undefined,
      peek: false,
      name: "RFC822.TEXT",
    },
  ],
};

const fast: readonly FetchItem[] = [{ kind: "flags" }, { kind: "internaldate" }, { kind: "size" }];

const macros: Readonly<Record<string, readonly FetchItem[]>> = {
  FAST: fast,
  ALL: [...fast, { kind: "envelope" }],
  FULL: [...fast, { kind: "envelope" }, { kind: "body" }],
};

/** The items of a FETCH, macros resolved. Items a command may name are bounded by the length of its line. */
export function readFetchItems(args: Arguments): readonly FetchItem[] {
  if (args.peek() === "(") return args.list(() => readItem(args)).flat();
  for (const [name, items] of Object.entries(macros)) {
    if (args.take(name)) return items;
  }
  return readItem(args);
}

function readItem(args: Arguments): readonly FetchItem[] {
  // longest names first, so that RFC822 does not hide RFC822.SIZE
  for (const name of Object.keys(plain).sort((a, b) => b.length - a.length)) {
    if (args.take(name)) return plain[name] ?? [];
  }
  if (args.take("BODY.PEEK[")) return [readSection(args, true)];
  if (args.take("BODY[")) return [readSection(args, false)];
  if (args.take("BODY")) return [{ kind: "body" }];
  return args.fail("unknown data item");
}

function readSection(args: Arguments, peek: boolean): FetchItem {
  const part: number[] = [];
  while (/[1-9]/.test(args.peek())) {
    part.push(args.number());
    if (part.length > 100) args.fail("the section is too deep");
    if (!args.take(".")) break;
    if (!/[1-9A-Za-z]/.test(args.peek())) args.fail("the section is not valid");
  }
  const section = { part, ...readWhat(args, part) };
  args.expect("]");
  const name = `BODY[${formatSection(section)}]`;
  if (!args.take("<")) return { kind: "section", section, partial: undefined, peek, name };
  const start = args.number();
  args.expect(".");
  const length = args.number();
  args.expect(">");
  if (length === 0) args.fail("the length of a partial fetch is 0");
  return { kind: "section", section, partial: { start, length }, peek, name: `${name}<${start}>` };
}

function readWhat(args: Arguments, part: readonly number[]): Omit<Section, "part"> {
  if (args.take("HEADER.FIELDS.NOT ")) return { what: "fieldsNot", names: readNames(args) };
  if (args.take("HEADER.FIELDS ")) return { what: "fields", names: readNames(args) };
  if (args.take("HEADER")) return { what: "header", names: [] };
  if (args.take("TEXT")) return { what: "text", names: [] };
  if (part.length > 0 && args.take("MIME")) return { what: "mime", names: [] };
  return { what: "all", names: [] };
}

const readNames = (args: Arguments): readonly string[] => args.list(() => args.astring());

const words = {
  all: "",
  header: "HEADER",
  fields: "HEADER.FIELDS",
  fieldsNot: "HEADER.FIELDS.NOT",
  text: "TEXT",
  mime: "MIME",
};

function formatSection({ part, what, names }: Section): string {
  const word = names.length > 0 ? `${words[what]} (${names.map(formatAstring).join(" ")})` : words[what];
  return [...part.map(String), ...(word === "" ? [] : [word])].join(".");
}
