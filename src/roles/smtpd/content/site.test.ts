// smtpd with checkers, over real sockets: what its client hears, what the queue gets, what the log says.

import assert from "node:assert/strict";
import net from "node:net";
import test, { type TestContext } from "node:test";
import type { ContentSlice } from "#config/slice.ts";
import { startClamd, startRspamd, VIRUS } from "#test/support/checkers.ts";
import { smtpListener } from "#test/support/listeners.ts";
import { freePort, loopbackClient } from "#test/support/loopback.ts";
import { SmtpSite, until } from "#test/support/smtpsite.ts";

const content = (given: Partial<ContentSlice>): ContentSlice => ({
  name: "clamav",
  kind: "clamav",
  address: "",
  timeout: 5000,
  onError: "defer",
  mode: "enforce",
  classes: ["mx"],
  ...given,
});

const start = (context: TestContext, ...checkers: readonly ContentSlice[]) =>
  SmtpSite.start(context, {
    slice: { content: checkers },
    listeners: [
      smtpListener("mx", { maxSize: 100_000_000 }),
      smtpListener("lan", { class: "lan", networks: ["127.0.0.0/8"] }),
    ],
  });

const HEADER = "From: b@far.test\r\nDate: today\r\nSubject: x\r\n\r\n";

/** The answer to one message. */
async function send(
  site: SmtpSite,
  body: string,
  way: "DATA" | "BDAT" = "DATA",
  door = "mx",
): Promise<string> {
  const client = await loopbackClient(site.port(door), { tls: false });
  const begun = "EHLO c.test\r\nMAIL FROM:<b@far.test>\r\nRCPT TO:<ann@example.test>\r\n";
  client.send(Buffer.from(begun));
  await until(client, /Recipient ok\r\n/);
  if (way === "DATA") {
    client.send(Buffer.from("DATA\r\n"));
    await until(client, /^354 /m);
    client.send(Buffer.from(`${HEADER}${body}\r\n.\r\n`));
  } else {
    client.send(Buffer.from(`BDAT ${HEADER.length}\r\n${HEADER}`));
    await until(client, /octets received/);
    client.send(Buffer.from(`BDAT ${body.length + 2} LAST\r\n${body}\r\n`));
  }
  const said = await until(client, /^\d{3} .*\r\n/m);
  client.close();
  return said;
}

test("what a checker refuses is refused while the client is there, by DATA and by BDAT", async (context) => {
  const clamd = await startClamd();
  context.after(() => clamd.close());
  const site = await start(context, content({ address: clamd.address }));
  for (const way of ["DATA", "BDAT"] as const) {
    const said = await send(site, `x\r\n${VIRUS}\r\n`, way);
    assert.match(
      said,
      /^550 5\.7\.1 The message has a virus: Kenro\.Test\.Signature \(clamav\) \[\S+\]\r\n$/,
    );
    assert.match(await send(site, "fine", way), /^250 2\.0\.0 Queued as /);
  }
  assert.equal(site.bodies.length, 2);
  assert.equal(clamd.scanned[1]?.toString(), `${HEADER}fine\r\n`);
  const logged = site.events("smtp_content").map((line) => line.replace(/ ms=\d+/, ""));
  assert.equal(logged.length, 4);
  assert.match(
    logged[0] ?? "",
    /id=p1-1 checker=clamav verdict=refuse code=550 mode=enforce evidence=Kenro\.Test\.Signature$/,
  );
  assert.match(logged[1] ?? "", /id=p1-2 checker=clamav verdict=clean mode=enforce/);
});

test("what a checker that is down is worth is for the configuration to say", async (context) => {
  const address = `127.0.0.1:${await freePort()}`;
  const rows = [
    [{ onError: "defer" }, /^451 4\.3\.0 The message cannot be checked now, try again later \(clamav\) \[/],
    [{ onError: "accept" }, /^250 /],
    [{ onError: "defer", mode: "observe" }, /^250 /],
  ] as const;
  for (const [given, wanted] of rows) {
    const site = await start(context, content({ address, ...given }));
    assert.match(await send(site, "fine"), wanted);
    assert.match(site.events("smtp_content")[0] ?? "", /verdict=unknown .*evidence="Cannot connect to /);
    const told = site.events("trouble").filter((line) => line.includes("The checker clamav does not work"));
    assert.equal(told.length, 1);
  }
});

test("only the mail of its classes goes before a checker", async (context) => {
  const clamd = await startClamd();
  context.after(() => clamd.close());
  const site = await start(
    context,
    content({ address: clamd.address }),
    content({ name: "both", address: clamd.address, classes: ["mx", "lan"], mode: "observe" }),
  );
  assert.match(await send(site, VIRUS, "DATA", "lan"), /^250 /);
  assert.match(await send(site, VIRUS), /\(clamav\)/);
  const checkers = site
    .events("smtp_content")
    .map((line) => /checker=(\S+) verdict=(\S+)/.exec(line)?.slice(1));
  assert.deepEqual(checkers, [
    ["both", "refuse"],
    ["clamav", "refuse"],
    ["both", "refuse"],
  ]);
});

test("fields that checkers add stand in front of the message; the first refusal of several is said", async (context) => {
  let action = "add header";
  const rspamd = await startRspamd(() => ({
    action,
    milter: { add_headers: { "X-Score": "7\nX-Evil: no" } },
  }));
  const clamd = await startClamd();
  context.after(() => Promise.all([rspamd.close(), clamd.close()]));
  const site = await start(
    context,
    content({ name: "rspamd", kind: "rspamd", address: rspamd.address }),
    content({ address: clamd.address }),
  );
  assert.match(await send(site, "fine"), /^250 /);
  assert.match(
    site.bodies[0] ?? "",
    /^X-Spam: Yes\r\nX-Score: 7\r\n\tX-Evil: no\r\nReceived: from c\.test [\s\S]*\r\n\r\nfine\r\n$/,
  );
  action = "soft reject";
  assert.match(await send(site, VIRUS), /^451 4\.7\.1 Try again later \(rspamd\)/);
  action = "no action";
  assert.match(await send(site, VIRUS), /^550 .*\(clamav\)/);
  assert.equal(rspamd.asked[0]?.body.toString(), `${HEADER}fine\r\n`);
});

test("a slow checker slows the client; neither smtpd nor the queue keep what it has not taken", async (context) => {
  const stalled = Promise.withResolvers<void>();
  const clamd = await startClamd({ stalled: stalled.promise });
  context.after(() => clamd.close());
  const site = await start(context, content({ address: clamd.address, timeout: 60_000 }));
  const socket = net.connect(site.port("mx"), "127.0.0.1");
  context.after(() => socket.destroy());
  let heard = "";
  socket.on("data", (chunk) => (heard += chunk.toString("latin1")));
  const hears = async (pattern: RegExp) => {
    while (!pattern.test(heard)) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  socket.write("EHLO c.test\r\nMAIL FROM:<b@far.test>\r\nRCPT TO:<ann@example.test>\r\nDATA\r\n");
  await hears(/^354 /m);
  const piece = Buffer.from(`${"x".repeat(998)}\r\n`.repeat(64));
  const size = 60_000_000;
  socket.write(HEADER);
  for (let sent = 0; sent < size; sent += piece.length) socket.write(piece);
  socket.write("\r\n.\r\n");
  let before = -1;
  for (let quiet = 0; quiet < 10; ) {
    const now = socket.writableLength;
    quiet = now === before ? quiet + 1 : 0;
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  // the rest is in the buffers of two loopback connections
  assert.ok(before > size / 2, `only ${before} of ${size} bytes wait at the client`);
  stalled.resolve();
  await hears(/^(?:250 2\.0\.0 Queued|[45])/m);
  assert.match(heard, /^250 2\.0\.0 Queued/m);
  assert.ok((clamd.scanned[0]?.length ?? 0) >= size);
});
