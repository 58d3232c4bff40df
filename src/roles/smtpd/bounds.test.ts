// The bounds of smtpd over real sockets: who is let in by which listener, and what resets leave behind.

import assert from "node:assert/strict";
import net from "node:net";
import test, { type TestContext } from "node:test";
import tls from "node:tls";
import { smtpListener } from "#test/support/listeners.ts";
import { SmtpSite } from "#test/support/smtpsite.ts";

class Client {
  readonly socket: net.Socket;
  #heard = "";
  #ended = false;
  #wake: () => void = () => {};

  constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on("data", (chunk) => {
      this.#heard += chunk.toString("latin1");
      this.#wake();
    });
    const end = () => {
      this.#ended = true;
      this.#wake();
    };
    socket.on("end", end).on("close", end).on("error", end);
  }

  static async open(context: TestContext, port: number, from = "127.0.0.1"): Promise<Client> {
    const socket = net.connect({ port, host: "127.0.0.1", localAddress: from });
    context.after(() => socket.destroy());
    const client = new Client(socket);
    await new Promise((resolve) => socket.once("connect", resolve));
    return client;
  }

  say(text: string): this {
    this.socket.write(text);
    return this;
  }

  /** All that has come when it matches, or the server has ended. */
  async hears(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.#heard) && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const heard = this.#heard;
    this.#heard = "";
    return heard;
  }
}

const until = async (condition: () => boolean, what: string): Promise<void> => {
  for (let tries = 0; !condition(); tries++) {
    assert.ok(tries < 1000, what);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

const LINE = /\r\n/;

test("the total holds for all listeners together, a listener's own beside it; a reload changes both", async (context) => {
  const bounds = { ...smtpListener("b").bounds, connections: 1 };
  const listeners = [smtpListener("a"), smtpListener("b", { bounds })];
  const site = await SmtpSite.start(context, { listeners, slice: { connections: 2 } });
  const open = (name: string) => Client.open(context, site.port(name));
  const one = await open("b");
  assert.match(await one.hears(LINE), /^220 /);
  assert.equal(
    await (await open("b")).hears(LINE),
    "421 4.7.0 mail.example.test Too many connections, try again later\r\n",
  );
  assert.match(await (await open("a")).hears(LINE), /^220 /);
  assert.match(await (await open("a")).hears(LINE), /^421 4\.7\.0 /);
  site.running.reload({ ...site.slice, connections: 4, listeners: [smtpListener("a"), smtpListener("b")] });
  assert.match(await (await open("a")).hears(LINE), /^220 /);
  assert.match(await (await open("b")).hears(LINE), /^220 /);
  assert.match(await (await open("b")).hears(LINE), /^421 /);
  one.say("QUIT\r\n");
  await one.hears(/never/);
  await until(() => site.events("smtp_disconnect").length === 1, "the session ended");
  let heard = "";
  while (!heard.startsWith("220")) heard = await (await open("b")).hears(LINE);
  assert.deepEqual(
    site
      .events("smtp_refused")
      .slice(0, 3)
      .map((line) => /listener=\S+ reason=\S+/.exec(line)?.[0]),
    ["listener=b reason=listener", "listener=a reason=connections", "listener=b reason=connections"],
  );
});

test("addresses, networks and their rates are bounded, but not the rates of those who are exempt", async (context) => {
  const bounds = { connections: 100, perAddress: 2, perNetwork: 3, ratePerAddress: 0, ratePerNetwork: 4 };
  const site = await SmtpSite.start(context, { listeners: [smtpListener("mx", { bounds })] });
  const heard = async (from: string) => {
    const client = await Client.open(context, site.port("mx"), from);
    return { client, text: await client.hears(LINE) };
  };
  for (const [from, wanted] of [
    ["127.0.1.1", /^220 /],
    ["127.0.1.1", /^220 /],
    ["127.0.1.1", /^421 4\.7\.0 mail\.example\.test Too many connections from you/],
    ["127.0.1.2", /^220 /],
    ["127.0.1.3", /^421 4\.7\.0 mail\.example\.test Too many connections from you/],
    ["127.0.2.1", /^220 /],
  ] as const)
    assert.match((await heard(from)).text, wanted, from);
  for (const wanted of ["220", "220", "220", "421"]) {
    const { client, text } = await heard("127.0.2.2");
    assert.ok(text.startsWith(wanted), text);
    client.say("QUIT\r\n");
    await client.hears(/never/);
    await until(() => !site.lines.at(-1)?.includes("smtp_connect"), "it left");
  }
  assert.match(site.events("smtp_refused").at(-1) ?? "", /ip=127\.0\.2\.2 .*reason=networkRate/);
  site.running.reload({ ...site.slice, exempt: ["127.0.2.0/24"] });
  assert.match((await heard("127.0.2.2")).text, /^220 /);
});

test("with TLS first a client too many is just closed", async (context) => {
  const site = await SmtpSite.start(context, {
    listeners: [smtpListener("submissions", { class: "submission", tls: "implicit" })],
    slice: { connections: 1 },
  });
  const first = tls.connect({ port: site.port("submissions"), host: "127.0.0.1", rejectUnauthorized: false });
  context.after(() => first.destroy());
  assert.match(await new Client(first).hears(LINE), /^220 /);
  assert.equal(await (await Client.open(context, site.port("submissions"))).hears(LINE), "");
  first.end("QUIT\r\n");
  await new Promise((resolve) => first.once("close", resolve));
  const again = tls.connect({ port: site.port("submissions"), host: "127.0.0.1", rejectUnauthorized: false });
  context.after(() => again.destroy());
  assert.match(await new Client(again).hears(LINE), /^220 /);
});

test("a lan listener serves its networks, behind a proxy too, and sends all others away", async (context) => {
  const lan = smtpListener("lan", {
    class: "lan",
    tls: "none",
    networks: ["127.0.0.0/24", "192.0.2.0/24"],
    proxy: ["127.0.3.0/24"],
  });
  const site = await SmtpSite.start(context, { listeners: [lan] });
  const from = (address: string) => Client.open(context, site.port("lan"), address);
  const stranger = await (await from("127.0.1.1")).hears(LINE);
  assert.equal(stranger, "554 5.7.1 mail.example.test This listener does not serve your network\r\n");
  const ehlo = "EHLO printer\r\n";
  const mail =
    "MAIL FROM:<a@printer.lan>\r\nRCPT TO:<x@far.test>\r\nDATA\r\nSubject: page\r\n\r\nx\r\n.\r\nQUIT\r\n";
  const own = await (await from("127.0.0.7")).say(`${ehlo}STARTTLS\r\n${mail}`).hears(/221 /);
  assert.match(own, /454 4\.7\.0 TLS is not available[\s\S]*250 2\.0\.0 Queued as /);
  assert.doesNotMatch(own, /250[- ](?:STARTTLS|AUTH)/);
  // as for a submission (RFC 6409 §8): devices rarely know the time
  assert.match(
    site.bodies[0] ?? "",
    /^Received: from printer \(\[127\.0\.0\.7\]\)[\s\S]*\r\nDate: [\s\S]*\r\nMessage-ID: </,
  );
  const proxied = await (await from("127.0.3.1"))
    .say(`PROXY TCP4 192.0.2.9 192.0.2.1 5000 25\r\n${ehlo}${mail}`)
    .hears(/221 /);
  assert.match(proxied, /250 2\.0\.0 Queued as /);
  assert.match(site.bodies[1] ?? "", /^Received: from printer \(\[192\.0\.2\.9\]\)/);
  assert.ok(site.events("smtp_connect").some((line) => line.includes(" ip=192.0.2.9 port=5000 ")));
  const foreign = await from("127.0.3.1");
  assert.match(
    await foreign.say("PROXY TCP4 203.0.113.9 192.0.2.1 5000 25\r\n").hears(LINE),
    /^554 5\.7\.1 /,
  );
  const none = await from("127.0.3.1");
  assert.equal(await none.say(ehlo).hears(/\r\n/), "");
  assert.match(site.events("smtp_refused").at(-1) ?? "", /ip=127\.0\.3\.1 .*reason=proxy/);
});

test("a client that resets, in whatever state, leaves nothing behind", async (context) => {
  const site = await SmtpSite.start(context, {
    listeners: [smtpListener("mx"), smtpListener("s", { class: "submission", tls: "implicit" })],
  });
  const mail = "EHLO c\r\nMAIL FROM:<a@far.test>\r\nRCPT TO:<ann@example.test>\r\n";
  const states: readonly (readonly [string, (client: Client) => Promise<unknown>])[] = [
    ["nothing said", async () => {}],
    ["greeted", (c) => c.hears(LINE)],
    ["half a command", async (c) => c.say("EHL")],
    ["recipient under way", async (c) => c.say(mail)],
    ["recipient there", (c) => c.say(mail).hears(/250 2\.1\.5/)],
    ["DATA", (c) => c.say(`${mail}DATA\r\n`).hears(/354/)],
    ["half a header", (c) => c.say(`${mail}DATA\r\nSubject: x`).hears(/354/)],
    ["half a body", (c) => c.say(`${mail}DATA\r\nSubject: x\r\n\r\n${"x".repeat(100_000)}`).hears(/354/)],
    ["the end of a body", async (c) => c.say(`${mail}DATA\r\n\r\nx\r\n.\r\n`)],
    ["half a chunk", async (c) => c.say(`${mail}BDAT 1000 LAST\r\nx`)],
    ["between chunks", async (c) => c.say(`${mail}BDAT 1\r\nx`).hears(/1 octets/)],
    ["STARTTLS", (c) => c.say("STARTTLS\r\n").hears(/220 2\.0\.0/)],
    [
      "half a handshake",
      async (c) => {
        await c.say("STARTTLS\r\n").hears(/220 2\.0\.0/);
        c.say("\x16\x03\x01\x02\x00\x01\x00");
      },
    ],
    ["after QUIT", (c) => c.say("QUIT\r\n").hears(/221/)],
    [
      "nothing read",
      async (c) => {
        c.socket.pause();
        c.say("NOOP\r\n".repeat(50_000));
      },
    ],
  ];
  for (const [state, reach] of states) {
    for (const wait of [0, 20]) {
      const client = await Client.open(context, site.port("mx"));
      await reach(client);
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      client.socket.resetAndDestroy();
    }
    const other = await Client.open(context, site.port("mx"));
    assert.match(await other.say("QUIT\r\n").hears(/221/), /221/, state);
  }
  for (const half of ["", "\x16\x03\x01", "\x16\x03\x01\x02\x00\x01\x00"]) {
    const client = await Client.open(context, site.port("s"));
    client.say(half);
    await new Promise((resolve) => setTimeout(resolve, 10));
    client.socket.resetAndDestroy();
  }
  const count = (name: string) => site.events(name).length;
  await until(() => count("smtp_disconnect") === count("smtp_connect"), "all sessions end");
  assert.ok(site.bodies.length <= 2, "only whole messages are kept");
  assert.deepEqual(
    site.lines.filter((line) => line.includes("peer_garbage")),
    [],
  );
});
