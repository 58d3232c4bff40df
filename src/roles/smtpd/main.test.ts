// The role as boot.ts starts it: real listeners, real talk sockets, with auth and queue answered by the test.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { systemClock } from "#base/clock.ts";
import type { SliceOf } from "#config/slice.ts";
import { Logger } from "#log/logger.ts";
import { bindTcp } from "#sys/child.ts";
import type { Answering } from "#sys/local.ts";
import { answerVerbs, on } from "#talk/answerer.ts";
import { answerInjections } from "#talk/inject.ts";
import { login } from "#talk/login.ts";
import { recipient } from "#talk/lookup.ts";
import type { DialogClient } from "#test/support/dialog.ts";
import { freePort, loopbackClient } from "#test/support/loopback.ts";
import { start } from "./main.ts";

type Slice = SliceOf<"smtpd">;

const keys = path.resolve(import.meta.dirname, "../../../test/fixtures/keys");
const tls = {
  certificate: readFileSync(path.join(keys, "test.crt"), "utf8"),
  key: readFileSync(path.join(keys, "test.key"), "utf8"),
};

class Site {
  readonly ports = { mx: 0, submissions: 0 };
  readonly bodies: string[] = [];
  readonly lines: string[] = [];
  readonly #directory = mkdtempSync(path.join(tmpdir(), "kenro-smtpd-"));
  readonly #answering: Answering[] = [];

  path(name: string): string {
    return path.join(this.#directory, `${name}.sock`);
  }

  async answer(): Promise<void> {
    const trouble = (message: string) => void this.lines.push(message);
    const auth = [
      on(recipient, ({ address }) => ({ kind: address.startsWith("ann@") ? "deliverable" : "unknown" })),
      on(login, () => ({ kind: "denied" })),
    ];
    this.#answering.push(await answerVerbs(this.path("auth"), auth, { trouble }));
    const queue = await answerInjections(this.path("queue"), {
      prefix: () => "p1",
      trouble,
      begin: ({ id }) => {
        const parts: Buffer[] = [];
        return {
          write: (chunk) => void parts.push(Buffer.from(chunk)),
          commit: async () => {
            this.bodies.push(Buffer.concat(parts).toString("latin1"));
            return { kind: "queued", id };
          },
          abort: () => {},
        };
      },
    });
    this.#answering.push(queue);
  }

  close(): void {
    for (const each of this.#answering) each.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

async function site(context: TestContext, changes: Partial<Slice> = {}) {
  const here = new Site();
  context.after(() => here.close());
  await here.answer();
  here.ports.mx = await freePort();
  here.ports.submissions = await freePort();
  const slice: Slice = {
    log: "debug",
    hostname: "mail.example.test",
    listeners: [
      { name: "mx", class: "mx", implicitTls: false },
      { name: "submissions", class: "submission", implicitTls: true },
    ],
    tls,
    maxSize: 1_000_000,
    maxRecipients: 100,
    contact: "",
    xclient: [],
    connections: 10,
    connectionsPerAddress: 10,
    ...changes,
  };
  const running = await start({
    role: "smtpd",
    index: 0,
    slice,
    clock: systemClock,
    log: new Logger({
      role: "smtpd",
      clock: systemClock,
      level: "debug",
      sink: (line) => void here.lines.push(line),
    }),
    listener: (name) => bindTcp("127.0.0.1", here.ports[name as "mx" | "submissions"]).fd,
    answers: () => 0,
    socketOf: (other) => here.path(other),
  });
  context.after(() => running.stop());
  return { here, running, slice };
}

/** Everything the server says until it closes or `pattern` has come. */
async function until(client: DialogClient, pattern: RegExp): Promise<string> {
  let heard = "";
  while (!pattern.test(heard)) {
    const chunk = await client.receive();
    if (!chunk) break;
    heard += chunk.toString("latin1");
  }
  return heard;
}

const MESSAGE =
  "MAIL FROM:<b@far.test>\r\nRCPT TO:<ann@example.test>\r\nDATA\r\nSubject: x\r\n\r\nbody\r\n.\r\n";

test("the role takes a message on 25 and hands it to the queue", async (context) => {
  const { here } = await site(context);
  const client = await loopbackClient(here.ports.mx);
  client.send(Buffer.from(`EHLO c.test\r\n${MESSAGE}QUIT\r\n`));
  assert.match(await until(client, /221 /), /250 2\.0\.0 Queued as p1-1\r\n221 /);
  assert.match(here.bodies[0] ?? "", /^Received: from c\.test [\s\S]*\r\nSubject: x\r\n\r\nbody\r\n$/);
  assert.ok(here.lines.some((line) => / smtp_connect .*listener=mx/.test(line)));
});

test("465 speaks TLS from the first byte, and does not answer clear text", async (context) => {
  const { here } = await site(context);
  const client = await loopbackClient(here.ports.submissions, { tls: true });
  client.send(Buffer.from("EHLO c.test\r\nMAIL FROM:<>\r\nQUIT\r\n"));
  assert.match(await until(client, /221 /), /AUTH PLAIN LOGIN[\s\S]*530 5\.7\.0/);
  const clear = await loopbackClient(here.ports.submissions);
  clear.send(Buffer.from("EHLO c.test\r\n"));
  assert.doesNotMatch(await until(clear, /never/), /220|250/);
});

test("one connection too many from an address gets 421; the others go on; after one has left there is room", async (context) => {
  const { here } = await site(context, { connectionsPerAddress: 2 });
  const [one, two] = [await loopbackClient(here.ports.mx), await loopbackClient(here.ports.mx)];
  assert.match(await until(one, /\n/), /^220 /);
  assert.match(await until(two, /\n/), /^220 /);
  assert.match(await until(await loopbackClient(here.ports.mx), /\n/), /^421 4\.7\.0 /);
  one.send(Buffer.from("QUIT\r\n"));
  await until(one, /never/);
  let heard = "";
  while (!heard.startsWith("220")) heard = await until(await loopbackClient(here.ports.mx), /\n/);
  two.send(Buffer.from("NOOP\r\n"));
  assert.match(await until(two, /\n/), /^250/);
});

test("a reload holds for new connections; one that cannot be taken leaves everything as it was", async (context) => {
  const { here, running, slice } = await site(context);
  const before = await loopbackClient(here.ports.mx);
  assert.match(await until(before, /\n/), /^220 mail\.example\.test/);
  running.reload({ ...slice, hostname: "new.example.test", maxSize: 70_000 });
  assert.throws(() => running.reload({ ...slice, tls: { certificate: "none", key: "none" } }));
  assert.throws(() =>
    running.reload({ ...slice, listeners: [{ name: "other", class: "mx", implicitTls: false }] }),
  );
  before.send(Buffer.from("EHLO c\r\n"));
  assert.match(await until(before, /HELP\r\n/), /^250-mail\.example\.test[\s\S]*SIZE 1000000\r\n/);
  const after = await loopbackClient(here.ports.mx);
  after.send(Buffer.from("EHLO c\r\n"));
  assert.match(await until(after, /HELP\r\n/), /^220 new\.example\.test[\s\S]*SIZE 70000\r\n/);
});

test("a role that stops tells its clients, closes its ports and ends", async (context) => {
  const { here, running } = await site(context);
  const idle = await loopbackClient(here.ports.mx);
  await until(idle, /\n/);
  await running.stop();
  assert.match(await until(idle, /never/), /^421 4\.3\.2/);
  await assert.rejects(loopbackClient(here.ports.mx));
});
