// The session rules from outside: `kenro policy explain` over the recorded sessions, with a DNS server on loopback.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "node:test";
import { promisify } from "node:util";
import { converse, eventually, judging, World } from "#test/support/world.ts";
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

  // a listener with rules of its own
  fs.appendFileSync(
    config,
    '\n[[listener]]\nname = "branch"\nclass = "mx"\naddresses = ["127.0.0.1:33125"]\noff = ["client-dynamic"]\norder = ["hello-own"]\n',
  );
  const dynamic = ["192.0.2.77", "dsl-192-0-2-77.dyn.isp.test", ""] as const;
  const branch = JSON.parse(await explain(...dynamic, "--listener", "branch", "--json")) as Explained;
  assert.equal(branch.verdict, "accept");
  assert.equal(branch.stages[1]?.rules[0]?.rule, "hello-own");
  assert.equal((await judged(...dynamic)).rule, "client-dynamic");
  await assert.rejects(explain(...dynamic, "--listener", "none"), /there are: mx, branch/);

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

test("the server judges while the client is connected: who is refused learns why, who is wanted gets in", async (context) => {
  const zone = await startZone(sessionZones());
  context.after(() => zone.close());
  const world = await World.start(context, judging(zone.server, "1s"));
  // a proxy of ours says who the client is
  const send = (ip: string, helo: string, from: string, to = "ann@a.test") =>
    converse(
      world.port(25),
      [
        "EHLO proxy",
        `XCLIENT ADDR=${ip.includes(":") ? `IPV6:${ip}` : ip}`,
        `HELO ${helo}`,
        `MAIL FROM:<${from}>`,
        `RCPT TO:<${to}>`,
        "DATA",
        `From: ${from || "mailer-daemon@far.test"}`,
        `Subject: from ${ip}`,
        "",
        "x",
        ".",
        "QUIT",
        "",
      ].join("\r\n"),
      30_000,
    );
  const line = ["192.0.2.77", "dsl-192-0-2-77.dyn.isp.test", "x@other.test"] as const;
  const refused = await send(...line);
  const [, session = ""] = /^550 5\.7\.1 .*\(client-dynamic\) \[(\S+)\]/m.exec(refused) ?? [];
  assert.notEqual(session, "", refused);
  await eventually(() => /rule=client-dynamic .*dsl-192-0-2-77/.test(world.kenro(["log", "--id", session])));
  assert.match(await send(...line, "postmaster@a.test"), /250 2\.0\.0 Queued/, "who is refused may ask");
  assert.match(await send("192.0.2.10", "mail.shop.test", "info@shop.test"), /250 2\.0\.0 Queued/);
  await eventually(() =>
    world
      .delivered("ann")
      .some((file) => /^Subject: from 192\.0\.2\.10$/m.test(fs.readFileSync(file, "latin1"))),
  );
  // adding a rule is creating a file
  const database = path.join(world.dir, "rules/badmailfromdir");
  fs.mkdirSync(database);
  fs.writeFileSync(path.join(database, "@shop.test"), "");
  assert.match(
    await send("192.0.2.10", "mail.shop.test", "info@shop.test"),
    /^553 5\.7\.1 .*\(sender-listed\)/m,
  );
  // RELAYCLIENT lets a client send to anybody
  const far = ["192.0.2.11", "mail.club.test", "board@club.test", "far@other.test"] as const;
  assert.match(await send(...far), /^550 5\.7\.1 /m);
  fs.writeFileSync(
    path.join(world.dir, "rules/smtp.rules"),
    '192.0.2.11:allow,RELAYCLIENT=""\n192.0.2.12:deny\n',
  );
  assert.match(await send(...far), /250 2\.0\.0 Queued/);
  assert.match(await send("192.0.2.12", "server.local", "praxis@dentist.test"), /^554 5\.7\.1 .*\(access\)/m);
});
