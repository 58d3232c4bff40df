// A message as qmail-inject makes it of what it reads (docs/inject.md): addresses rewritten, some fields removed, others added, and an
// envelope. Lines end with LF; text is bytes, one a character.

import { err, ok, type Result } from "#base/result.ts";
import {
  formatTokens,
  needsQuotes,
  parseTokens,
  quoteAddress,
  type Rewrite,
  rewriteList,
  type Token,
  unquoteTokens,
} from "./tokens.ts";

/** A user as the environment names him; without a host he gets the default one. */
export interface Named {
  readonly user: string;
  readonly host: string | undefined;
}

export interface Injector {
  readonly rewrite: Rewrite;
  /** Who is in From when nobody is. */
  readonly author: Named;
  readonly fullName: string | undefined;
  /** Who is the sender when nobody says so. */
  readonly sender: Named;
  /** -f: whatever else is said. */
  readonly givenSender: string | undefined;
  /** Letters of QMAILINJECT. */
  readonly letters: ReadonlySet<string>;
  /** Mailing lists in lower case: whoever writes to one of them is answered there. */
  readonly lists: ReadonlySet<string>;
  readonly idHost: string;
  /** ms since 1970 */
  readonly time: number;
  readonly pid: number;
}

export interface Injected {
  /** Without quotes, as in an envelope of qmail's; `user-@host-@[]` for VERP. */
  readonly sender: string;
  /** Those of the header, in its order; of a message that is sent again those of the Resent- fields. */
  readonly recipients: readonly string[];
  readonly header: string;
  /** From the blank line on. */
  readonly body: string;
}

type Treatment = "recipients" | "resentRecipients" | "sender" | "rewrite";

/** Fields with addresses, and what those are. */
const treatments: Readonly<Record<string, Treatment>> = {
  to: "recipients",
  cc: "recipients",
  bcc: "recipients",
  "apparently-to": "recipients",
  "resent-to": "resentRecipients",
  "resent-cc": "resentRecipients",
  "resent-bcc": "resentRecipients",
  "return-path": "sender",
  sender: "rewrite",
  from: "rewrite",
  "reply-to": "rewrite",
  "return-receipt-to": "rewrite",
  "errors-to": "rewrite",
  "resent-sender": "rewrite",
  "resent-from": "rewrite",
  "resent-reply-to": "rewrite",
};

const removed: ReadonlySet<string> = new Set(["bcc", "resent-bcc", "return-path", "content-length"]);

/** Any of these: the message is sent again. */
const again: readonly string[] = [
  "resent-sender",
  "resent-from",
  "resent-reply-to",
  "resent-to",
  "resent-cc",
  "resent-bcc",
  "resent-date",
  "resent-message-id",
];

/** Fields that a letter of QMAILINJECT drops unread. */
const dropped: Readonly<Record<string, string>> = { from: "f", "message-id": "i", "return-path": "s" };

/** Makes the message. An error, with the line, when a field of addresses is none. */
export function injectMessage(input: string, injector: Injector): Result<Injected> {
  const { fields, body } = splitMessage(input);
  return new Injection(injector).run(fields, body);
}

/** RFC 822 §3.2 and what comes behind its colon; the name may have blanks behind it. */
const FIELD = /^([!-9;-~]+)[ \t]*:/;

/** The fields with their line ends, and everything from the blank line on; a line that is no field gets one in front of it. */
export function splitMessage(input: string): { readonly fields: readonly string[]; readonly body: string } {
  const text = input === "" || input.endsWith("\n") ? input : `${input}\n`;
  const fields: string[] = [];
  let at = 0;
  while (at < text.length) {
    const end = text.indexOf("\n", at) + 1;
    const line = text.slice(at, end);
    if (fields.length > 0 && /^[ \t]/.test(line)) fields[fields.length - 1] += line;
    else if (line.startsWith("From ")) fields.push(`MBOX-Line: ${line}`);
    else if (FIELD.test(line)) fields.push(line);
    else break;
    at = end;
  }
  const rest = text.slice(at);
  return { fields, body: rest.startsWith("\n") ? rest : `\n${rest}` };
}

class Injection {
  readonly #injector: Injector;
  readonly #saved: string[] = [];
  readonly #seen = new Set<string>();
  readonly #recipients: string[] = [];
  readonly #resentRecipients: string[] = [];
  /** Of To and Cc. */
  readonly #named: string[] = [];
  #sender: string | undefined;

  constructor(injector: Injector) {
    this.#injector = injector;
    this.#sender = injector.givenSender;
  }

  run(fields: readonly string[], body: string): Result<Injected> {
    for (const field of fields) {
      const problem = this.#take(field);
      if (problem !== undefined) return err(problem);
    }
    const resent = again.some((name) => this.#seen.has(name));
    const sender = this.#sender ?? this.#defaultSender();
    const header = [...this.#missing(resent), ...this.#saved].join("");
    const recipients = resent ? this.#resentRecipients : this.#recipients;
    return ok({ sender, recipients, header, body });
  }

  /** What is wrong with a field, if anything is. */
  #take(field: string): string | undefined {
    const name = (FIELD.exec(field)?.[1] ?? "").toLowerCase();
    const letter = Object.hasOwn(dropped, name) ? dropped[name] : undefined;
    if (letter !== undefined && this.#injector.letters.has(letter)) return undefined;
    this.#seen.add(name);
    const treatment = Object.hasOwn(treatments, name) ? treatments[name] : undefined;
    const rewritten = treatment ? this.#rewritten(field, name, treatment) : field;
    if (rewritten === undefined) return `unable to parse this line:\n${field.trimEnd()}`;
    if (!removed.has(name)) this.#saved.push(rewritten);
    return undefined;
  }

  #rewritten(field: string, name: string, treatment: Treatment): string | undefined {
    // a fold inside of a quoted string is none of its characters (RFC 5322 §2.2.3)
    const tokens = parseTokens(field.replaceAll(/\n(?=[ \t])/g, ""));
    if (!tokens.ok) return undefined;
    // from right to left, as they come
    const found: string[] = [];
    const list = rewriteList(tokens.value, (address) => {
      const whole = this.#injector.rewrite(address);
      found.push(unquoteTokens(whole));
      return whole;
    });
    if (!list) return undefined;
    this.#note(name, treatment, found);
    return formatTokens(list);
  }

  #note(name: string, treatment: Treatment, found: readonly string[]): void {
    const inOrder = found.toReversed();
    if (treatment === "recipients") this.#recipients.push(...inOrder);
    if (treatment === "resentRecipients") this.#resentRecipients.push(...inOrder);
    if (name === "to" || name === "cc") this.#named.push(...found);
    if (treatment === "sender" && found[0] !== undefined)
      this.#sender ??= this.#injector.letters.has("r") ? `${found[0]}-@[]` : found[0];
  }

  #defaultSender(): string {
    const { sender, letters, time, pid, rewrite } = this.#injector;
    const message = letters.has("m") ? `-${Math.floor(time / 1000)}.${pid}` : "";
    const user = `${sender.user}${message}${letters.has("r") ? "-" : ""}`;
    const whole = unquoteTokens(rewrite([{ kind: "quote", text: user }, ...hostTokens(sender.host)]));
    return letters.has("r") ? `${whole}-@[]` : whole;
  }

  #missing(resent: boolean): readonly string[] {
    const prefix = resent ? "Resent-" : "";
    const has = (name: string) => this.#seen.has(`${prefix}${name}`.toLowerCase());
    const { time, pid, idHost } = this.#injector;
    const lines = [
      has("date") ? "" : `${prefix}Date: ${qmailDate(time)}\n`,
      has("message-id") ? "" : `${prefix}Message-ID: <${compactTime(time)}.${pid}.qmail@${idHost}>\n`,
      has("from") ? "" : prefix + this.#from(),
      has("to") || has("cc") ? "" : `${prefix}Cc: recipient list not shown: ;\n`,
    ];
    return resent ? lines : [...lines, this.#followUp()];
  }

  #from(): string {
    const { author, fullName, letters, rewrite } = this.#injector;
    const user: Token = { kind: needsQuotes(author.user) ? "quote" : "atom", text: author.user };
    // an atom with dots is several
    const dotted = user.kind === "atom" ? tokensOf(author.user) : [user];
    const address = rewrite([...dotted, ...hostTokens(author.host)]);
    const field: readonly Token[] = [{ kind: "atom", text: "From" }, { kind: ":" }];
    if (fullName === undefined) return formatTokens([...field, ...address]);
    if (letters.has("c")) return formatTokens([...field, ...address, { kind: "comment", text: fullName }]);
    const name: Token = { kind: "quote", text: fullName };
    return formatTokens([...field, name, { kind: "<" }, ...address, { kind: ">" }]);
  }

  /** Mail-Followup-To, when a list of ours is among those that To and Cc name. */
  #followUp(): string {
    const { lists } = this.#injector;
    if (this.#seen.has("mail-followup-to")) return "";
    if (!this.#named.some((address) => lists.has(address.toLowerCase()))) return "";
    return `Mail-Followup-To: ${this.#named.toReversed().map(quoteAddress).join(",\n  ")}\n`;
  }
}

/** `@host`; nothing when that is no host, so that the default one is taken. */
const hostTokens = (host: string | undefined): readonly Token[] =>
  host === undefined ? [] : tokensOf(`@${host}`);

function tokensOf(text: string): readonly Token[] {
  const tokens = parseTokens(text);
  return tokens.ok ? tokens.value : [];
}

/** `26 Sep 1995 04:46:53 -0000`. */
function qmailDate(ms: number): string {
  const [, day = "", month = "", year = "", clock = ""] = new Date(ms).toUTCString().split(" ");
  return `${Number(day)} ${month} ${year} ${clock} -0000`;
}

/** `19950926044653`. */
const compactTime = (ms: number): string =>
  new Date(ms)
    .toISOString()
    .replaceAll(/[^0-9]/g, "")
    .slice(0, 14);
