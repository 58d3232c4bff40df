// Dialogs: a protocol session as plain text, run against anything one can connect to. The lines of a .dialog file:
//   # reason        why this is so                given: k=v, k=v   what the target needs to know
//   C: text         send the line with CRLF       C> text           send as it is; \r \n \t \0 \\ \xNN are escapes
//   S: pattern      the next line; * matches anything, \* is a star, $name captures, then recalls (also in C: and C>)
//   S~ pattern      a reply of any number of lines: its last one, or one before it, as "S~ 250-SIZE *"
//   S? pattern      a run of these: the next lines, in any order
//   S! pattern      no line may match this from here until the next C line or the end
//   tls             the client starts TLS now     close             the client closes
//   closed          the server closes now, and nothing more came     wait 5m   the clock moves (ms, s, m, h)
//   2 C: text       any of these on connection 2 (it opens when first named; the others stay open)

import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import test from "node:test";

export interface DialogClient {
  send(bytes: Buffer): void;
  /** The next bytes; undefined when the server has closed. */
  receive(): Promise<Buffer | undefined>;
  /** Starts TLS as client. */
  secure(): Promise<void>;
  close(): void;
}

export interface DialogTarget {
  /** Opens connection number `n` (from 1). */
  connect(n: number): Promise<DialogClient>;
  /** Moves the target's clock. */
  wait(ms: number): Promise<void>;
  /** Ends what the target started. */
  stop(): Promise<void>;
}

export type Given = Readonly<Record<string, string>>;

interface Step {
  readonly line: number;
  readonly connection: number;
  readonly verb: "C:" | "C>" | "S:" | "S~" | "S?" | "S!" | "tls" | "close" | "closed" | "wait";
  readonly text: string;
}

export interface Dialog {
  readonly file: string;
  /** The first reason. */
  readonly title: string;
  readonly given: Given;
  readonly steps: readonly Step[];
}

const STEP = /^(?:(\d+) )?(?:(C:|C>|S:|S~|S\?|S!) ?(.*)|(tls|close|closed)|(wait) (.+))$/;

/** Reads the text of a dialog; throws with file:line on a line that is none. */
export function parseDialog(file: string, text: string): Dialog {
  const given: Record<string, string> = {};
  const steps: Step[] = [];
  let title = "";
  for (const [at, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    if (line.startsWith("#")) {
      title ||= line.slice(1).trim();
      continue;
    }
    if (line.startsWith("given:")) {
      Object.assign(given, parseGiven(line.slice(6)));
      continue;
    }
    const [, connection = "1", verb, rest = "", bare, wait, time = ""] = STEP.exec(line) ?? [];
    const name = verb ?? bare ?? wait;
    if (!name) throw new Error(`${file}:${at + 1}: not a line of a dialog: ${line}`);
    steps.push({
      line: at + 1,
      connection: Number(connection),
      verb: name as Step["verb"],
      text: wait ? time : rest,
    });
  }
  return { file, title, given, steps };
}

function parseGiven(text: string): Given {
  const pairs = text
    .split(",")
    .map((each) => each.trim())
    .filter((each) => each !== "");
  return Object.fromEntries(
    pairs.map((each) => [each.split("=")[0] ?? "", each.slice(each.indexOf("=") + 1)]),
  );
}

/** The bytes of a `C>` line. */
export function rawBytes(text: string): Buffer {
  const parts = text.split(/(\\x[0-9a-fA-F]{2}|\\.)/);
  return Buffer.concat(
    parts.map((part) => {
      if (/^\\x/.test(part) && part.length === 4) return Buffer.from([Number.parseInt(part.slice(2), 16)]);
      const plain = { "\\r": "\r", "\\n": "\n", "\\t": "\t", "\\0": "\0", "\\\\": "\\" }[part];
      return Buffer.from(plain ?? part);
    }),
  );
}

/** Real time after which a silent server fails the dialog. */
const PATIENCE = 20_000;

/** Runs a dialog; an error's message begins with file:line. */
export async function runDialog(dialog: Dialog, target: DialogTarget): Promise<void> {
  const run = new Run(dialog, target);
  for (let at = 0; at < dialog.steps.length; at += run.used) await run.step(at);
  await run.finish();
}

class Talker {
  readonly client: DialogClient;
  forbidden: { readonly step: Step; readonly pattern: RegExp }[] = [];
  #kept = Buffer.alloc(0);
  #next: Promise<Buffer | undefined> | undefined;
  #ended = false;

  constructor(client: DialogClient) {
    this.client = client;
  }

  /** The next line without CRLF; undefined when the server has closed. */
  async line(ms = PATIENCE): Promise<string | undefined> {
    for (;;) {
      const end = this.#kept.indexOf("\n");
      if (end >= 0) {
        const line = this.#kept.toString("utf8", 0, end).replace(/\r$/, "");
        this.#kept = this.#kept.subarray(end + 1);
        return line;
      }
      if (this.#ended) return undefined;
      await this.#more(ms);
    }
  }

  async #more(ms: number): Promise<void> {
    this.#next ??= this.client.receive();
    const silent = Symbol("silent");
    const chunk = await within(this.#next, ms, silent);
    if (chunk === silent) {
      const rest = this.#kept.length > 0 ? `, only "${this.#kept.toString("utf8")}" came` : "";
      throw new Error(`the server is silent${rest}`);
    }
    this.#next = undefined;
    if (chunk === undefined) this.#ended = true;
    else this.#kept = Buffer.concat([this.#kept, chunk as Buffer]);
  }

  /** Lines that are there already or come within a moment. */
  async rest(): Promise<string[]> {
    const lines: string[] = [];
    for (;;) {
      const line = await this.line(20).catch(() => undefined);
      if (line === undefined) return lines;
      lines.push(line);
    }
  }
}

/** The promise's value, or `otherwise` after `ms` of real time. */
async function within<T, O>(promise: Promise<T>, ms: number, otherwise: O): Promise<T | O> {
  const { promise: late, resolve } = Promise.withResolvers<O>();
  const timer = setTimeout(() => resolve(otherwise), ms);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

class Run {
  /** Steps the last call of `step` has dealt with. */
  used = 1;
  readonly #dialog: Dialog;
  readonly #target: DialogTarget;
  readonly #talkers = new Map<number, Talker>();
  readonly #captured = new Map<string, string>();

  constructor(dialog: Dialog, target: DialogTarget) {
    this.#dialog = dialog;
    this.#target = target;
  }

  async step(at: number): Promise<void> {
    const step = this.#dialog.steps[at] as Step;
    this.used = 1;
    const talker = await this.#talker(step);
    try {
      await this.#act(step, at, talker);
    } catch (thrown) {
      throw this.#failure(step, thrown);
    }
  }

  /** The promises of S! at the end of the file; then everything is closed. */
  async finish(): Promise<void> {
    for (const talker of this.#talkers.values()) {
      if (talker.forbidden.length > 0) for (const line of await talker.rest()) this.#allowed(talker, line);
      talker.client.close();
    }
  }

  async #talker(step: Step): Promise<Talker> {
    const known = this.#talkers.get(step.connection);
    if (known) return known;
    const talker = new Talker(await this.#target.connect(step.connection));
    this.#talkers.set(step.connection, talker);
    return talker;
  }

  async #act(step: Step, at: number, talker: Talker): Promise<void> {
    switch (step.verb) {
      case "C:":
      case "C>": {
        talker.forbidden = [];
        const text = this.#recall(step.text);
        talker.client.send(step.verb === "C:" ? Buffer.from(`${text}\r\n`) : rawBytes(text));
        return;
      }
      case "S:":
        return this.#match([step.text], await this.#line(talker));
      case "S~":
        return this.#reply(step.text, talker);
      case "S?":
        return this.#anyOrder(at, step.connection, talker);
      case "S!":
        talker.forbidden.push({ step, pattern: this.#pattern(step.text).pattern });
        return;
      case "tls":
        return talker.client.secure();
      case "close":
        return talker.client.close();
      case "closed": {
        const line = await talker.line();
        if (line !== undefined) throw new Error(`the server did not close but sent: ${line}`);
        return;
      }
      case "wait":
        return this.#target.wait(milliseconds(step.text));
    }
  }

  async #anyOrder(at: number, connection: number, talker: Talker): Promise<void> {
    const patterns: string[] = [];
    for (const step of this.#dialog.steps.slice(at)) {
      if (step.verb !== "S?" || step.connection !== connection) break;
      patterns.push(step.text);
    }
    this.used = patterns.length;
    while (patterns.length > 0) this.#match(patterns, await this.#line(talker));
  }

  /** Lines of a reply that goes on may come first; the first one that matches is taken. */
  async #reply(text: string, talker: Talker): Promise<void> {
    for (;;) {
      const line = await this.#line(talker);
      if (!/^\d{3}-/.test(line) || this.#pattern(text).pattern.test(line)) return this.#match([text], line);
    }
  }

  async #line(talker: Talker): Promise<string> {
    const line = await talker.line();
    if (line === undefined) throw new Error("the server has closed");
    this.#allowed(talker, line);
    return line;
  }

  #allowed(talker: Talker, line: string): void {
    const broken = talker.forbidden.find((each) => each.pattern.test(line));
    if (broken) throw this.#failure(broken.step, new Error(`this must not come: ${line}`));
  }

  /** One of the patterns must match; it is taken out. */
  #match(patterns: string[], line: string): void {
    for (const [at, text] of patterns.entries()) {
      const { pattern, names } = this.#pattern(text);
      const found = pattern.exec(line);
      if (!found) continue;
      for (const [index, name] of names.entries()) this.#captured.set(name, found[index + 1] ?? "");
      patterns.splice(at, 1);
      return;
    }
    throw new Error(`wanted: ${patterns.join(" | ")}\n  but came: ${line}`);
  }

  #pattern(text: string): { readonly pattern: RegExp; readonly names: readonly string[] } {
    const names: string[] = [];
    const source = text.split(/(\\\*|\*|\$[a-z]\w*)/).map((part) => {
      if (part === "*") return ".*";
      if (part === "\\*") return "\\*";
      if (!/^\$[a-z]/.test(part)) return escapeRegExp(part);
      const known = this.#captured.get(part.slice(1));
      if (known !== undefined) return escapeRegExp(known);
      names.push(part.slice(1));
      return "(.+?)";
    });
    return { pattern: new RegExp(`^${source.join("")}$`, "s"), names };
  }

  #recall(text: string): string {
    return text.replace(/\$([a-z]\w*)/g, (whole, name: string) => this.#captured.get(name) ?? whole);
  }

  #failure(step: Step, thrown: unknown): Error {
    if (thrown instanceof DialogFailure) return thrown;
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    const said = `${step.connection === 1 ? "" : `${step.connection} `}${step.verb} ${step.text}`;
    return new DialogFailure(`${this.#dialog.file}:${step.line}: ${said}\n  ${why}`, thrown);
  }
}

class DialogFailure extends Error {
  constructor(message: string, cause: unknown) {
    super(message, { cause });
  }
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

function milliseconds(text: string): number {
  const [, amount = "", unit = ""] = /^(\d+)\s*(ms|s|m|h)$/.exec(text.trim()) ?? [];
  const factor = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[unit];
  if (factor === undefined) throw new Error(`not a time: ${text}`);
  return Number(amount) * factor;
}

/** Makes a test of every .dialog file below `folder`, in each of the named worlds. */
export function dialogTests(
  folder: string,
  worlds: Readonly<Record<string, (given: Given) => Promise<DialogTarget>>>,
): void {
  for (const file of globSync("**/*.dialog", { cwd: folder }).sort()) {
    const name = path.relative(process.cwd(), path.join(folder, file));
    const dialog = parseDialog(name, readFileSync(path.join(folder, file), "utf8"));
    for (const [world, start] of Object.entries(worlds)) {
      test(`${name} (${world}): ${dialog.title}`, async () => {
        const target = await start(dialog.given);
        try {
          await runDialog(dialog, target);
        } finally {
          await target.stop();
        }
      });
    }
  }
}
