// kenro inject, and the name qmail-inject: a message with an RFC 822 header into the drop directory, as qmail-inject does it (docs/inject.md).

import fs from "node:fs";
import { limits } from "#base/limits.ts";
import { codeOf, messageOf } from "#base/problem.ts";
import { type Injected, injectMessage } from "#wire/message/injected.ts";
import { hostsFor, rewriteBy } from "#wire/message/rewriting.ts";
import { parseTokens, quoteAddress, type Rewrite, unquoteTokens } from "#wire/message/tokens.ts";
import { cleanText, toWire } from "#wire/message/unix.ts";
import { addressFromQmail, senderFromQmail } from "#wire/qmail/address.ts";
import { complain } from "../call.ts";
import {
  bytesOf,
  type Options,
  parseOptions,
  readEnvironment,
  type Surroundings,
} from "../inject/options.ts";
import { readMessage, sendAs } from "../sendmail/deliver.ts";
import { findHost, type Host, hostDirectory } from "../sendmail/host.ts";
import { Ending, sysexits } from "../sendmail/sysexits.ts";

/** As qmail's programs end: done, never, or not now. */
const codes = { done: 0, never: 100, later: 111 } as const;
type Code = (typeof codes)[keyof typeof codes];

/** Runs with the words behind the name; never throws. */
export async function inject(name: string, words: readonly string[]): Promise<Code> {
  try {
    await run(parseOptions(words));
    return codes.done;
  } catch (thrown) {
    complain(`${name}: fatal: ${messageOf(thrown)}`);
    const never =
      thrown instanceof Ending && thrown.code !== sysexits.temporary && thrown.code !== sysexits.config;
    return never ? codes.never : codes.later;
  }
}

async function run(options: Options): Promise<void> {
  const host = await findHost(hostDirectory(options.directory));
  const around = readEnvironment(process.env);
  const rewrite = rewriteFor(host, around);
  // wrong addresses are told before anybody waits for input
  const source = options.recipients === "either" && options.named.length > 0 ? "named" : options.recipients;
  const named = source === "header" ? [] : options.named.map((word) => rewritten(word, rewrite));
  const given = options.sender === undefined ? undefined : rewritten(options.sender, rewrite);
  const lists = listsOf(around.listFile);
  const input = await readMessage(process.stdin, host.maxSize, false);
  const injected = injectMessage(cleanText(input), {
    rewrite,
    author: { user: around.user, host: around.host },
    fullName: around.name,
    sender: { user: around.senderUser, host: around.senderHost },
    givenSender: given,
    letters: around.letters,
    lists,
    idHost: around.idHost ?? host.hostname,
    time: Date.now(),
    pid: process.pid,
  });
  if (!injected.ok) throw new Ending("data", injected.error);
  if (options.print) return show(injected.value);
  await leave(host, injected.value, source === "named" ? named : [...named, ...injected.value.recipients]);
}

function rewriteFor(host: Host, around: Surroundings): Rewrite {
  const usual = hostsFor(host.hostname);
  const rewrite = rewriteBy({
    defaultHost: around.defaultHost ?? host.domain,
    defaultDomain: around.defaultDomain ?? host.defaultDomain ?? usual.defaultDomain,
    plusDomain: around.plusDomain ?? host.plusDomain ?? usual.plusDomain,
  });
  if (rewrite) return rewrite;
  throw new Ending("usage", "QMAILDEFAULTHOST, QMAILDEFAULTDOMAIN or QMAILPLUSDOMAIN is no host");
}

/** An address that stands alone: in the command line it needs no quotes. Ending when it cannot be read. */
function rewritten(given: string, rewrite: Rewrite): string {
  const tokens = parseTokens(quoteAddress(bytesOf(given)));
  if (tokens.ok) return unquoteTokens(rewrite(tokens.value));
  throw new Ending("usage", `unable to parse address: ${given}`);
}

/** The lists of QMAILMFTFILE. Trouble when there is a file and it cannot be read. */
function listsOf(file: string | undefined): ReadonlySet<string> {
  try {
    const text = file === undefined ? "" : fs.readFileSync(file, "latin1");
    const lines = text.split("\n").map((line) => line.trimEnd().toLowerCase());
    return new Set(lines.filter((line) => line !== "" && !line.startsWith("#")));
  } catch (thrown) {
    if (codeOf(thrown) === "ENOENT") return new Set();
    throw thrown;
  }
}

function show({ sender, header, body }: Injected): void {
  process.stdout.write(Buffer.from(`Return-Path: <${quoteAddress(sender)}>\n${header}${body}`, "latin1"));
}

async function leave(
  host: Host,
  { sender, header, body }: Injected,
  recipients: readonly string[],
): Promise<void> {
  if (header.length > limits.smtp.headerBytes)
    throw new Ending("unavailable", "The header of the message is too long");
  const hops = header.match(/^(?:received|delivered-to)[ \t]*:/gim)?.length ?? 0;
  if (hops >= limits.smtp.hops)
    throw new Ending("unavailable", "The message has come round too often: it runs in a circle");
  const text = header + body;
  await sendAs(
    host,
    { message: toWire(Buffer.from(text, "latin1")), eightBit: /[\x80-\xff]/.test(text) },
    {
      sender: ours(senderFromQmail, sender),
      recipients: recipients.map((each) => ours(addressFromQmail, each)),
    },
  );
}

/** As it stands in our envelopes. Ending when no server would take it. */
function ours(read: (given: string, bareHost: string) => string | undefined, given: string): string {
  // all that comes here has a host
  const found = read(given, "");
  if (found !== undefined) return found;
  throw new Ending("noUser", `Cannot send to "${Buffer.from(given, "latin1")}": it is no address`);
}
