import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import test from "node:test";
import { injectMessage } from "#wire/message/injected.ts";
import { rewriteBy } from "#wire/message/rewriting.ts";
import { parseTokens, quoteAddress, unquoteTokens } from "#wire/message/tokens.ts";
import { bytesOf } from "./options.ts";

const rewrite = rewriteBy({ defaultHost: "dh.test", defaultDomain: "dd.test", plusDomain: "pd.test" });

interface Case {
  readonly input: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly sender?: string;
  readonly output: string | null;
}

/** What qmail printed, as test/fixtures/inject/README.md says. */
function printed({ input, environment: e, sender }: Case): string | null {
  assert.ok(rewrite);
  const user = bytesOf(e["QMAILUSER"] ?? "anonymous");
  const host = e["QMAILHOST"];
  const tokens = parseTokens(quoteAddress(sender ?? ""));
  const found = injectMessage(bytesOf(input), {
    rewrite,
    lists: new Set(),
    idHost: "id.test",
    time: Date.UTC(1995, 8, 26, 4, 46, 53),
    pid: 12345,
    author: { user, host },
    fullName: e["QMAILNAME"],
    sender: { user: e["QMAILSUSER"] ?? user, host: e["QMAILSHOST"] ?? host },
    givenSender: sender === undefined || !tokens.ok ? undefined : unquoteTokens(rewrite(tokens.value)),
    letters: new Set(e["QMAILINJECT"] ?? ""),
  });
  if (!found.ok) return null;
  const text = `Return-Path: <${quoteAddress(found.value.sender)}>\n${found.value.header}${found.value.body}`;
  return Buffer.from(text, "latin1")
    .toString()
    .replace(/(Date: )26 Sep 1995 04:46:53 -0000\n/, "$1D\n")
    .replace(/<\d{14}\.\d+\.qmail/, "<M")
    .replace(/\n+$/, "\n");
}

test("injectMessage() makes what netqmail makes", () => {
  const file = path.resolve(import.meta.dirname, "../../../test/fixtures/inject/netqmail.json");
  const cases = JSON.parse(readFileSync(file, "utf8")) as readonly Case[];
  assert.ok(cases.length >= 150);
  for (const each of cases) assert.equal(printed(each), each.output, JSON.stringify(each));
});
