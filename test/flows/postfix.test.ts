// The same command sequences to our smtpd and to Postfix: where their reply codes differ, docs/smtp-differences.md says why.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import test from "node:test";
import { systemClock } from "#base/clock.ts";
import { loopbackClient, serveLoopback } from "#test/support/loopback.ts";
import { World } from "../dialogs/smtp/world.ts";
import { needPostfix, startPostfix } from "../support/postfix.ts";
import { type Sequence, sequences } from "../support/sequences.ts";

const root = path.resolve(import.meta.dirname, "../..");
const keys = path.join(root, "test/fixtures/keys");
const TABLE = "docs/smtp-differences.md";

/** For each sequence both codes, as the table has them. */
function tableOf(page: string): ReadonlyMap<string, string> {
  const rows = page.split("\n").flatMap((line) => {
    const cells = line.split("|").map((cell) => cell.trim());
    const [, name = "", ours = "", theirs = "", why = ""] = cells;
    if (cells.length !== 6 || !/^`.*`$/.test(ours)) return [];
    assert.match(why, /^[A-Z].{20,}\.$/, `${name}: a sentence says why`);
    return [[name, `${ours} ${theirs}`] as const];
  });
  return new Map(rows);
}

/** Reads replies; each is told by its code, an end by "closed". */
class Replies {
  readonly codes: string[] = [];
  #text = "";
  #closed = false;

  take(chunk: Buffer | undefined): void {
    if (chunk === undefined) {
      if (!this.#closed) this.codes.push("closed");
      this.#closed = true;
      return;
    }
    this.#text += chunk.toString("latin1");
    const lines = this.#text.split("\r\n");
    this.#text = lines.pop() ?? "";
    for (const line of lines) if (/^\d{3}(?: |$)/.test(line)) this.codes.push(line.slice(0, 3));
  }

  get closed(): boolean {
    return this.#closed;
  }
}

/** A server that owes a reply gets this long. */
const PATIENCE = 3000;
/** What it says unasked must come within this. */
const MORE = 200;

async function play(port: number, { steps }: Sequence): Promise<string> {
  const client = await loopbackClient(port);
  const replies = new Replies();
  let wanted = 1;
  let next: Promise<Buffer | undefined> | undefined;
  const listen = async (until: () => boolean, ms: number) => {
    const end = performance.now() + ms;
    while (!until() && !replies.closed) {
      const left = end - performance.now();
      if (left <= 0) return;
      next ??= client.receive();
      const late = new Promise<"late">((resolve) => setTimeout(resolve, left, "late").unref());
      const chunk = await Promise.race([next, late]);
      if (chunk === "late") return;
      next = undefined;
      replies.take(chunk);
    }
  };
  await listen(() => replies.codes.length >= wanted, PATIENCE);
  for (const step of steps) {
    if (replies.closed) break;
    if (step === "tls") {
      await client.secure();
      next = undefined;
      continue;
    }
    client.send(Buffer.from(step.say));
    wanted = replies.codes.length + step.replies;
    await listen(() => replies.codes.length >= wanted, PATIENCE);
  }
  await listen(() => false, MORE);
  client.close();
  return shorten(replies.codes);
}

/** "220 250 500×20 421 closed" */
function shorten(codes: readonly string[]): string {
  const runs: { readonly code: string; count: number }[] = [];
  for (const code of codes) {
    const last = runs.at(-1);
    if (last?.code === code) last.count++;
    else runs.push({ code, count: 1 });
  }
  return runs
    .map(({ code, count }) => (count > 3 ? `${code}×${count}` : new Array(count).fill(code).join(" ")))
    .join(" ");
}

/** All transcripts of a server, a few at a time. */
async function transcripts(port: number): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  const left = [...sequences];
  const worker = async () => {
    for (let one = left.shift(); one; one = left.shift()) found.set(one.name, await play(port, one));
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
  return found;
}

test("smtpd answers as Postfix does, but for what the table of differences explains", async (context) => {
  if (!needPostfix(context)) return;
  const world = new World({ users: "ann@a.test" });
  const served = await serveLoopback(systemClock, (conn) => world.serve(conn, systemClock));
  context.after(() => served.stop());
  const port = await startPostfix(context, {
    myhostname: "mail.a.test",
    mydestination: "",
    mynetworks: "192.0.2.0/24",
    virtual_mailbox_domains: "a.test",
    virtual_mailbox_maps: "inline:{ann@a.test=ann/}",
    message_size_limit: "1000000",
    smtpd_helo_required: "yes",
    smtpd_relay_restrictions: "reject_unauth_destination",
    smtpd_peername_lookup: "no",
    smtpd_error_sleep_time: "0",
    smtpd_client_connection_count_limit: "0",
    smtpd_client_connection_rate_limit: "0",
    smtpd_tls_security_level: "may",
    smtpd_tls_cert_file: path.join(keys, "test.crt"),
    smtpd_tls_key_file: path.join(keys, "test.key"),
    smtpd_forbid_bare_newline: "reject",
    strict_smtputf8: "yes",
  });
  const [ours, theirs] = await Promise.all([transcripts(served.port), transcripts(port)]);
  const known = tableOf(fs.readFileSync(path.join(root, TABLE), "utf8"));
  const differences = new Map<string, string>();
  for (const { name } of sequences) {
    const [mine, postfix] = [ours.get(name) ?? "", theirs.get(name) ?? ""];
    if (mine !== postfix) differences.set(name, `\`${mine}\` \`${postfix}\``);
  }
  context.diagnostic(`${sequences.length} sequences, ${differences.size} answered otherwise`);
  for (const [name, row] of known)
    if (!differences.has(name)) context.diagnostic(`this Postfix answers as we do: ${name} (${row})`);
  const unexplained = [...differences].filter(([name, codes]) => known.get(name) !== codes);
  const rows = unexplained.map(([name, codes]) => `| ${name} | ${codes.replace("` `", "` | `")} | |`);
  assert.deepEqual(rows, [], `not in ${TABLE}:\n${rows.join("\n")}`);
});
