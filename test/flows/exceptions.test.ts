// Exceptions as the administrator makes them: they count for the next session of the running server.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import test from "node:test";
import { addFiles, temporaryDirectory } from "#test/support/temporary.ts";
import { converse, eventually, judging, World } from "#test/support/world.ts";
import { startZone } from "#test/support/zone.ts";
import { sessionZones } from "../fixtures/sessions/zones.ts";

test("kenro policy allow and deny count for the next session, and the list tells who made them and why", async (context) => {
  const zone = await startZone(sessionZones());
  context.after(() => zone.close());
  const world = await World.start(context, judging(zone.server));
  const send = (ip: string, helo: string, from: string) =>
    converse(
      world.port(25),
      [
        "EHLO proxy",
        `XCLIENT ADDR=${ip}`,
        `HELO ${helo}`,
        `MAIL FROM:<${from}>`,
        "RCPT TO:<ann@a.test>",
        "QUIT",
        "",
      ].join("\r\n"),
      30_000,
    );
  const shop = ["192.0.2.10", "mail.shop.test", "info@shop.test"] as const;
  const line = ["192.0.2.77", "dsl-192-0-2-77.dyn.isp.test", "x@other.test"] as const;
  assert.match(await send(...shop), /^250 2\.1\.5 /m);
  world.kenro(["policy", "deny", "@shop.test", "--comment", "forged bills", "--expires", "30d"]);
  assert.match(await send(...shop), /^550 5\.7\.1 .*\(exception\)/m);
  world.kenro(["policy", "allow", "from:@shop.test", "--comment", "they mended it"]);
  assert.match(await send(...shop), /^250 2\.1\.5 /m);
  assert.match(await send(...line), /\(client-dynamic\)/);
  world.kenro(["policy", "allow", "192.0.2.77"]);
  assert.match(await send(...line), /^250 2\.1\.5 /m);
  const file = path.join(world.dir, "rules/exceptions");
  assert.equal(fs.statSync(file).mode & 0o777, 0o644);
  // a line that somebody wrote by hand stays
  fs.appendFileSync(file, "# mine\ndeny helo:mail.shop.test\n");
  assert.match(await send(...shop), /\(exception\)/);
  const explained = ["--ip", shop[0], "--helo", shop[1], "--from", shop[2], "--rcpt", "ann@a.test"];
  assert.match(
    world.kenro(["policy", "explain", ...explained]),
    /exception +enforce +reject +deny helo:mail\.shop\.test/,
  );
  const listed = JSON.parse(world.kenro(["policy", "exceptions", "list", "--json"])) as {
    readonly verdict: string;
    readonly what: string;
    readonly by: string;
    readonly comment: string;
  }[];
  assert.deepEqual(
    listed.map(({ verdict, what, comment }) => `${verdict} ${what} ${comment}`.trim()),
    ["allow from:@shop.test they mended it", "allow client:192.0.2.77", "deny helo:mail.shop.test"],
  );
  assert.notEqual(listed[0]?.by, "");
  world.kenro(["policy", "exceptions", "remove", "helo:mail.shop.test"]);
  world.kenro(["policy", "exceptions", "remove", "192.0.2.77"]);
  assert.match(fs.readFileSync(file, "utf8"), /^# mine$/m);
  assert.match(await send(...line), /\(client-dynamic\)/);
  assert.match(await send(...shop), /^250 2\.1\.5 /m);
  for (const wrong of [
    ["policy", "deny", "a/b"],
    ["policy", "deny", "x.test", "--expires", "yesterday"],
    ["policy", "deny", "x.test", "--expires", "2020-01-01"],
    ["policy", "exceptions", "remove", "nobody.test"],
  ])
    assert.throws(() => world.kenro(wrong), wrong.join(" "));

  // who is allowed is spared from what follows
  world.kenro(["policy", "exceptions", "remove", "@shop.test"]);
  // a feed counts as soon as its link is there
  const feed = path.join(temporaryDirectory(context), "feed");
  addFiles(path.join(feed, "badmailfromdir"), "@shop.test");
  world.kenro(["spamdb", "add", "x", feed]);
  assert.match(await send(...shop), /^553 5\.7\.1 .*\(sender-listed\)/m);
  world.kenro(["spamdb", "remove", "x"]);
  assert.match(await send(...shop), /^250 2\.1\.5 /m);

  // so does a rule of the site, in smtpd with its few rights
  const site = path.join(world.dir, "rules/site");
  fs.mkdirSync(site);
  fs.writeFileSync(
    path.join(site, "shop.ts"),
    `export const stage = "sender";
     export async function judge({ sender }: { sender: { domain: string } }) {
       let read = "closed";
       try { read = (await import("node:fs")).readFileSync("/etc/passwd", "utf8").slice(0, 4); } catch {}
       if (sender.domain === "shop.test") return { kind: "reject", text: "Not today, files are " + read };
     }`,
  );
  assert.match(await send(...shop), /^550 5\.7\.1 Not today, files are closed \(site\/shop\)/m);
  fs.writeFileSync(
    path.join(site, "shop.ts"),
    'export const stage = "sender"; export const judge = () => { for (;;); };',
  );
  assert.match(await send(...shop), /^250 2\.1\.5 /m, "a rule that hangs refuses nobody");
  await eventually(() => /Rule site\/shop failed/.test(world.kenro(["log"])));
  assert.match(world.kenro(["policy", "explain", ...explained]), /site\/shop +enforce +failed/);
});
