// The session rules from outside: `kenro policy explain` over the recorded sessions, with a DNS server on loopback.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "node:test";
import { promisify } from "node:util";
import { startZone } from "#test/support/zone.ts";
import { sessionZones } from "../fixtures/sessions/zones.ts";

const root = path.resolve(import.meta.dirname, "../..");
const run = promisify(execFile);

interface Explained {
  readonly verdict: string;
  readonly code: number;
  readonly rule: string;
  readonly text: string;
  readonly stages: readonly {
    readonly stage: string;
    readonly rules: readonly { readonly rule: string }[];
  }[];
}

test("policy explain says what each rule sees, and the verdict of the contract", async (context) => {
  const zone = await startZone(sessionZones());
  const directory = fs.mkdtempSync(path.join(tmpdir(), "kenro-policy-"));
  context.after(async () => {
    await zone.close();
    fs.rmSync(directory, { recursive: true, force: true });
  });
  const kenro = async (...args: readonly string[]) => {
    const { stdout } = await run(path.join(root, "bin/kenro"), [...args, "--dir", directory]);
    return stdout;
  };
  await kenro("init", "--hostname", "mail.a.test", "--domain", "a.test", "--port-base", "33000", "--yes");
  const config = path.join(directory, "kenro.toml");
  fs.writeFileSync(
    config,
    fs.readFileSync(config, "utf8").replace(/^servers = .*$/m, `servers = ["${zone.server}"]`),
  );
  const explain = async (ip: string, helo: string, from: string, ...more: readonly string[]) => {
    const session = ["--ip", ip, "--helo", helo, "--from", from, "--rcpt", "ann@a.test"];
    return kenro("policy", "explain", ...session, ...more);
  };
  const judged = async (ip: string, helo: string, from: string) =>
    JSON.parse(await explain(ip, helo, from, "--json")) as Explained;

  const good = await judged("192.0.2.10", "mail.shop.test", "info@shop.test");
  assert.deepEqual([good.verdict, good.code, good.rule], ["accept", 250, ""]);
  assert.deepEqual(
    good.stages.map(({ stage }) => stage),
    ["connect", "hello", "sender", "recipient"],
  );
  const bad = await judged("192.0.2.77", "dsl-192-0-2-77.dyn.isp.test", "");
  assert.deepEqual([bad.verdict, bad.code, bad.rule], ["reject", 550, "client-dynamic"]);
  assert.match(
    await explain("192.0.2.10", "1.2.3", "info@shop.test"),
    /^reject: 550 5\.7\.1 .*\(hello-address\)$/m,
  );

  // a rule is a file: it counts at once
  fs.mkdirSync(path.join(directory, "rules/badmailfromdir"), { recursive: true });
  fs.writeFileSync(path.join(directory, "rules/badmailfromdir/@shop.test"), "");
  fs.writeFileSync(path.join(directory, "rules/smtp.rules"), '192.0.2.11:allow,RELIABLECLIENT=""\n');
  assert.equal((await judged("192.0.2.10", "mail.shop.test", "info@shop.test")).rule, "sender-listed");
  assert.equal((await judged("192.0.2.11", "mail.club.test", "info@shop.test")).verdict, "accept");
  for (const missing of [
    ["--ip", "x"],
    ["--helo", ""],
  ])
    await assert.rejects(explain("192.0.2.10", "mail.shop.test", "info@shop.test", ...missing), { code: 2 });
});
