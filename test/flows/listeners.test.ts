// Listeners of the real server: blocks and certificates taken over by a reload, and processes that share a port.

import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import test from "node:test";
import tls from "node:tls";
import { systemClock } from "#base/clock.ts";
import { Caller } from "#talk/caller.ts";
import { reload as reloading } from "#talk/control.ts";
import { selfSigned } from "#wire/x509.ts";
import { converse, eventually, World } from "../support/world.ts";

const DAY = 86_400_000;

function makeCertificate(world: World, name: string, ...names: string[]): string {
  const made = selfSigned({ names, addresses: [], from: Date.now() - DAY, until: Date.now() + DAY });
  fs.writeFileSync(path.join(world.dir, "tls", `${name}.pem`), made.certificate);
  fs.writeFileSync(path.join(world.dir, "tls", `${name}.key`), made.key);
  return new X509Certificate(made.certificate).fingerprint256;
}

/** The certificate shown for a name. */
function shownAt(port: number, servername: string): Promise<string | undefined> {
  const socket = tls.connect({ port, host: "127.0.0.1", servername, rejectUnauthorized: false });
  return new Promise((resolve, reject) => {
    socket.once("error", reject).once("secureConnect", () => {
      resolve(socket.getPeerX509Certificate()?.fingerprint256);
      socket.destroy();
    });
  });
}

const addToConfig = (world: World, text: string) =>
  fs.appendFileSync(path.join(world.dir, "kenro.toml"), `\n${text}\n`);

/** What a reload complains about; "" when it does not. */
function reload(world: World): string {
  try {
    world.kenro(["reload"]);
    return "";
  } catch (thrown) {
    return String(thrown);
  }
}

test("certificates are chosen by name and taken over by a reload; bad ones leave the old ones in place", async (context) => {
  const world = await World.start(context);
  const [first] = [await shownAt(world.port(465), "b.test")];
  // a session under way is not disturbed by any of this
  const session = net.connect(world.port(25), "127.0.0.1");
  context.after(() => session.destroy());
  await new Promise((resolve) => session.once("data", resolve));
  const pids = world.status().map(({ pid }) => pid);
  const other = makeCertificate(world, "b", "b.test", "*.c.test");
  addToConfig(world, '[[certificate]]\ncertificate = "tls/b.pem"\nkey = "tls/b.key"');
  assert.equal(reload(world), "");
  for (const port of [465, 993, 995].map((standard) => world.port(standard))) {
    assert.equal(await shownAt(port, "b.test"), other);
    assert.equal(await shownAt(port, "x.c.test"), other);
    assert.equal(await shownAt(port, "mail.a.test"), first);
  }
  fs.writeFileSync(path.join(world.dir, "tls/b.key"), "no key");
  assert.match(
    reload(world),
    /Cannot use "tls\/b\.pem" in \[\[certificate\]\]: [\s\S]*keeps its old configuration/,
  );
  assert.equal(await shownAt(world.port(465), "b.test"), other);
  fs.rmSync(path.join(world.dir, "tls/b.pem"));
  assert.match(reload(world), /Cannot read certificate\.certificate "tls\/b\.pem": there is no such file/);
  assert.equal(await shownAt(world.port(993), "b.test"), other);
  const refused = () => world.kenro(["log"]).match(/config_refused/g)?.length === 2;
  await eventually(refused);
  const renewed = makeCertificate(world, "b", "b.test");
  assert.equal(reload(world), "");
  assert.equal(await shownAt(world.port(465), "b.test"), renewed);
  assert.equal(await shownAt(world.port(993), "x.c.test"), first);
  assert.deepEqual(
    world.status().map(({ pid }) => pid),
    pids,
  );
  session.write("NOOP\r\n");
  assert.match(String(await new Promise((resolve) => session.once("data", resolve))), /^250 /);
});

test("a [[listener]] that a reload brings serves at once, with its own rules; one that is gone does not", async (context) => {
  const world = await World.start(context);
  const before = fs.readFileSync(path.join(world.dir, "kenro.toml"), "utf8");
  const lan = world.port(26);
  addToConfig(
    world,
    `[[listener]]\nname = "printers"\nclass = "lan"\naddresses = ["127.0.0.1:${lan}"]\ntls = "none"\nnetworks = ["127.0.0.0/8"]\nmax_size = "64k"\nproxy = ["127.0.0.1"]`,
  );
  assert.equal(reload(world), "");
  const dialog =
    "EHLO p\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<ann@a.test>\r\nDATA\r\nSubject: x\r\n\r\nx\r\n.\r\nQUIT\r\n";
  const heard = await converse(lan, `PROXY TCP4 127.9.9.9 127.0.0.1 1 25\r\n${dialog}`, 30_000);
  assert.match(heard, /250-SIZE 65536\r\n[\s\S]*250 2\.0\.0 Queued/);
  assert.match(await converse(lan, "PROXY TCP4 192.0.2.1 127.0.0.1 1 25\r\n"), /^554 5\.7\.1 /);
  assert.equal(await converse(lan, dialog), "");
  const file = await eventually(() => world.delivered("ann")[0]);
  assert.match(fs.readFileSync(file, "latin1"), /Received: from p \(\[127\.9\.9\.9\]\)/);
  addToConfig(world, '[[listener]]\nname = "printers"');
  assert.match(reload(world), /Line \d+ of kenro\.toml: the setting "listener\.class" is missing/);
  assert.match(await converse(lan, `PROXY UNKNOWN\r\nQUIT\r\n`), /^220 /);
  fs.writeFileSync(path.join(world.dir, "kenro.toml"), before);
  assert.equal(reload(world), "");
  assert.equal(await converse(lan, "QUIT\r\n"), "");
  assert.match(await converse(world.port(25), "QUIT\r\n"), /^220 /);
});

test("two processes share the ports; kill -9 of one refuses nobody", async (context) => {
  const world = await World.start(context, (toml) => toml.replace(/^(smtpd|gate) = 1$/gm, "$1 = 2"));
  const running = () => world.status().filter(({ role }) => role === "smtpd");
  assert.equal(running().length, 2);
  const answered = async (count: number) => {
    const all = Array.from({ length: count }, () => converse(world.port(25), "QUIT\r\n"));
    for (const heard of await Promise.all(all)) assert.match(heard, /^220 [\s\S]*221 /);
  };
  await answered(20);
  const victim = running()[0]?.pid ?? 0;
  process.kill(victim, "SIGKILL");
  await answered(40);
  await eventually(() => running().every(({ pid, state }) => pid !== victim && state === "up"));
  // the second time it is the other one
  process.kill(running()[1]?.pid ?? 0, "SIGKILL");
  await answered(40);
  await eventually(() => running().every(({ state }) => state === "up"));
  await answered(20);
});

test("of reloads that come close together, the newest file counts in the end", async (context) => {
  const world = await World.start(context);
  const file = path.join(world.dir, "kenro.toml");
  const before = fs.readFileSync(file, "utf8");
  const caller = new Caller({
    path: path.join(world.dir, "run/supervisor/control.sock"),
    clock: systemClock,
  });
  context.after(() => caller.close());
  for (let round = 0; round < 4; round++) {
    const answers: Promise<{ readonly problems: readonly string[] }>[] = [];
    // the first of them takes long to be read
    for (const networks of [60_000, 1]) {
      const n = answers.length;
      const text = before
        .replace(/^contact = .*$/m, `contact = "https://a.test/${round}/${n}"`)
        .replace(/^xclient = .*$/m, `xclient = [${'"10.0.0.0/8", '.repeat(networks)}]`);
      fs.writeFileSync(`${file}.new`, text);
      fs.renameSync(`${file}.new`, file);
      answers.push(caller.ask(reloading, {}));
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
    for (const { problems } of await Promise.all(answers)) assert.deepEqual(problems, []);
    const said = await converse(world.port(25), "NONSENSE\r\nQUIT\r\n");
    assert.ok(said.includes(`https://a.test/${round}/1\r\n`), said);
  }
});
