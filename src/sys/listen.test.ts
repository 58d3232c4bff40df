// Real sockets on loopback: who is let in, what the others are told, and that they hear it.

import assert from "node:assert/strict";
import net from "node:net";
import test, { type TestContext } from "node:test";
import { type Clock, systemClock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { Networks } from "#base/network.ts";
import { FakeClock } from "#test/support/clock.ts";
import { freePort } from "#test/support/loopback.ts";
import { Admission, type EntranceBounds } from "./admission.ts";
import { bindTcp } from "./child.ts";
import type { Conn } from "./conn.ts";
import { listen } from "./listen.ts";

const wide: EntranceBounds = {
  connections: 1000,
  perAddress: 1000,
  perNetwork: 1000,
  ratePerAddress: 0,
  ratePerNetwork: 0,
};

interface Options {
  readonly clock?: Clock;
  readonly bounds?: Partial<EntranceBounds>;
  readonly proxies?: readonly string[];
  readonly serves?: readonly string[];
  readonly word?: string;
  readonly serve?: (conn: Conn) => Promise<void>;
}

/** Says hello with the client's address and port, then sends back what it hears. */
async function echo(conn: Conn): Promise<void> {
  await conn.write(`hello ${conn.address} ${conn.port}\n`);
  for (let chunk = await conn.read(60_000); chunk; chunk = await conn.read(60_000)) await conn.write(chunk);
}

async function server(context: TestContext, options: Options = {}) {
  const port = await freePort();
  const clock = options.clock ?? systemClock;
  const admission = new Admission(clock, () => ({ connections: 1000, exempt: new Networks([]) }));
  const refused: string[] = [];
  const listening = await listen({
    fd: bindTcp("127.0.0.1", port).fd,
    clock,
    entrance: admission.entrance(() => ({ ...wide, ...options.bounds })),
    proxies: () => new Networks(options.proxies ?? []),
    serves: (address) => !options.serves || new Networks(options.serves).has(address),
    word: (why) => options.word ?? `no: ${why}\n`,
    // a reset by the client is Trouble for whoever reads
    serve: (conn) => (options.serve ?? echo)(conn).catch(() => {}),
    refused: (address, why) => refused.push(`${address} ${why}`),
  });
  const clients: net.Socket[] = [];
  context.after(async () => {
    for (const client of clients) client.destroy();
    await listening.close();
  });
  const connect = async (from = "127.0.0.1"): Promise<net.Socket> => {
    const socket = net.connect({ port, host: "127.0.0.1", localAddress: from, allowHalfOpen: true });
    clients.push(socket);
    await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    return socket;
  };
  return { connect, refused, admission, listening };
}

/** Everything that comes until the server ends, or "reset". */
function heardBy(socket: net.Socket): Promise<string> {
  let heard = "";
  socket.on("data", (chunk) => (heard += chunk.toString("latin1"))).resume();
  return new Promise((resolve) => {
    socket.once("end", () => {
      socket.end();
      resolve(heard);
    });
    socket.once("error", () => resolve(`${heard}<reset>`));
  });
}

/** The first line that comes. */
function lineFrom(socket: net.Socket): Promise<string> {
  return new Promise((resolve) => socket.once("data", (chunk) => resolve(chunk.toString("latin1").trim())));
}

const until = async (condition: () => boolean): Promise<void> => {
  for (let tries = 0; !condition(); tries++) {
    assert.ok(tries < 1000, "it did not happen");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

/** Sends `bytes` in small pieces and reads nothing meanwhile; then what was there to read. */
async function busySender(socket: net.Socket, bytes: number): Promise<string> {
  socket.pause();
  let broken = "";
  socket.on("error", () => (broken = "<reset>"));
  for (let sent = 0; sent < bytes && broken === ""; sent += 1024) {
    socket.write(Buffer.alloc(1024, "x"));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  if (broken !== "") return broken;
  socket.end();
  return heardBy(socket);
}

test("a connection over a bound hears why at once, the others go on, and one that leaves makes room", async (context) => {
  const { connect, refused, admission } = await server(context, { bounds: { perAddress: 2 } });
  const [one, two] = [await connect(), await connect()];
  assert.match(await lineFrom(one), /^hello/);
  assert.match(await lineFrom(two), /^hello/);
  assert.equal(await heardBy(await connect()), "no: address\n");
  assert.match(await lineFrom(await connect("127.0.0.2")), /^hello 127\.0\.0\.2/);
  two.write("still here");
  assert.equal(await lineFrom(two), "still here");
  one.end();
  await until(() => admission.count === 2);
  assert.match(await lineFrom(await connect()), /^hello/);
  assert.deepEqual(refused, ["127.0.0.1 address"]);
});

test("where there is no word the connection is just closed", async (context) => {
  const { connect } = await server(context, { bounds: { connections: 1 }, word: "" });
  await lineFrom(await connect());
  assert.match(await heardBy(await connect()), /^(?:<reset>)?$/);
});

test("a client that is refused while it sends still hears why", async (context) => {
  const { connect } = await server(context, { bounds: { connections: 1 } });
  await lineFrom(await connect());
  assert.equal(await busySender(await connect(), limits.refusal.bytes - 8192), "no: listener\n");
});

test("of very many refused at once the last are only closed, and none is kept", async (context) => {
  const { connect, refused } = await server(context, { bounds: { connections: 1 } });
  await lineFrom(await connect());
  const wanted = limits.refusal.atATime + 20;
  const heard = Array.from({ length: wanted }, async () => heardBy(await connect()));
  assert.deepEqual(new Set(await Promise.all(heard)), new Set(["no: listener\n"]));
  assert.equal(refused.length, wanted);
});

test("the last word of a session reaches a client that is still sending", async (context) => {
  const { connect } = await server(context, {
    serve: async (conn) => {
      await conn.read(60_000);
      await conn.write("421 enough\r\n");
    },
  });
  assert.equal(await busySender(await connect(), 256 * 1024), "421 enough\r\n");
});

test("a client that goes on sending, or does not close, is cut off in the end", async (context) => {
  const clock = new FakeClock();
  const { connect, admission } = await server(context, {
    clock,
    serve: async (conn) => void (await conn.write("bye\n")),
  });
  const silent = await connect();
  assert.equal(await lineFrom(silent), "bye");
  await clock.advance(limits.linger.time - 1000);
  assert.equal(admission.count, 1);
  await clock.advance(2000);
  await until(() => admission.count === 0);
  const loud = await connect();
  const ended = new Promise((resolve) => loud.once("close", resolve).once("error", resolve));
  const chunk = Buffer.alloc(64 * 1024);
  const send = () => {
    while (!loud.destroyed && loud.write(chunk));
  };
  loud.on("drain", send);
  loud.resume();
  send();
  await ended;
  await until(() => admission.count === 0);
});

test("a client that reads nothing is cut off, whether we wait for it or have ended", async (context) => {
  const clock = new FakeClock();
  const troubles: unknown[] = [];
  const { connect, admission } = await server(context, {
    clock,
    serve: async (conn) => {
      const [line] = [await conn.read(60_000)];
      const much = Buffer.alloc(16 * 1024 * 1024);
      if (line?.toString() === "end") void conn.write(much)?.catch(() => {});
      else await conn.write(much)?.catch((thrown) => troubles.push(thrown));
    },
  });
  const [waiting, ended] = [await connect(), await connect()];
  for (const [client, word] of [
    [waiting, "wait"],
    [ended, "end"],
  ] as const)
    client
      .pause()
      .on("error", () => {})
      .write(word);
  await new Promise((resolve) => setTimeout(resolve, 100));
  await clock.advance(limits.linger.time + 1000);
  await until(() => admission.count === 1);
  await clock.advance(limits.conn.unread);
  await until(() => admission.count === 0);
  assert.match(String(troubles[0]), /Cannot write to the peer: no answer within/);
});

test("clients that reset are forgotten, whatever was going on", async (context) => {
  const clock = new FakeClock();
  const { connect, admission } = await server(context, { clock, proxies: ["127.0.0.3"] });
  const at = async (from: string, until2: (socket: net.Socket) => Promise<unknown>) => {
    const socket = await connect(from);
    await until2(socket);
    socket.resetAndDestroy();
  };
  await at("127.0.0.1", async () => {});
  await at("127.0.0.1", lineFrom);
  await at("127.0.0.3", async () => {});
  await at("127.0.0.3", async (socket) => socket.write("PROXY "));
  await at("127.0.0.1", async (socket) => {
    await lineFrom(socket);
    socket.pause().write(Buffer.alloc(1024 * 1024));
  });
  await until(() => admission.count === 0);
});

const v2 = (hex: string) => Buffer.from(`0d0a0d0a000d0a515549540a${hex.replaceAll(" ", "")}`, "hex");
const CLIENT = "PROXY TCP4 192.0.2.1 198.51.100.2 40000 25\r\n";

test("a proxy says who the client is; from others that is no header", async (context) => {
  const { connect, refused } = await server(context, { proxies: ["127.0.0.2", "127.0.0.4/30"] });
  const heard = async (from: string, first: Buffer | string) => {
    const socket = await connect(from);
    socket.write(first);
    return lineFrom(socket);
  };
  assert.equal(await heard("127.0.0.2", CLIENT), "hello 192.0.2.1 40000");
  assert.equal(
    await heard("127.0.0.5", v2("21 11 000c c0000201 c6336402 9c40 0019")),
    "hello 192.0.2.1 40000",
  );
  const v6 = `21 21 0024 ${"20010db8000000000000000000000001".repeat(2)} 9c40 0019`;
  assert.equal(await heard("127.0.0.2", v2(v6)), "hello 2001:db8::1 40000");
  assert.match(await heard("127.0.0.2", v2("20 00 0000")), /^hello 127\.0\.0\.2 /);
  assert.match(await heard("127.0.0.2", "PROXY UNKNOWN\r\n"), /^hello 127\.0\.0\.2 /);
  const direct = await connect();
  assert.match(await lineFrom(direct), /^hello 127\.0\.0\.1/);
  direct.write(CLIENT);
  assert.equal(await lineFrom(direct), CLIENT.trim());
  const together = await connect("127.0.0.2");
  together.end(`${CLIENT}EHLO x\r\n`);
  assert.equal(await heardBy(together), "hello 192.0.2.1 40000\nEHLO x\r\n");
  assert.deepEqual(refused, []);
});

test("a proxy that does not introduce its client, or not in time, is not served", async (context) => {
  const clock = new FakeClock();
  const { connect, refused, admission } = await server(context, { clock, proxies: ["127.0.0.0/8"] });
  for (const first of ["EHLO x\r\n", "PROXY TCP4 nobody\r\n", "\r\n\r\n\0\r\nQUIT\n\xff\xff\xff\xff"]) {
    const socket = await connect();
    socket.write(Buffer.from(first, "latin1"));
    assert.equal(await heardBy(socket), "");
  }
  const [silent, slow] = [await connect(), await connect()];
  const heard = Promise.all([heardBy(silent), heardBy(slow)]);
  slow.write("PROXY ");
  await new Promise((resolve) => setTimeout(resolve, 50));
  await clock.advance(limits.proxy.header / 2);
  slow.write("TCP4 ");
  await new Promise((resolve) => setTimeout(resolve, 50));
  await clock.advance(limits.proxy.header / 2);
  assert.deepEqual(await heard, ["", ""]);
  assert.deepEqual(refused, new Array(5).fill("127.0.0.1 proxy"));
  await until(() => admission.count === 0);
});

test("clients behind a proxy are counted by their own address, and judged by it", async (context) => {
  const { connect, refused, admission } = await server(context, {
    proxies: ["127.0.0.1"],
    serves: ["192.0.2.0/24"],
    bounds: { perAddress: 1 },
  });
  const behind = async (address: string) => {
    const socket = await connect();
    socket.write(`PROXY TCP4 ${address} 198.51.100.2 1 25\r\n`);
    return socket;
  };
  const one = await behind("192.0.2.1");
  assert.match(await lineFrom(one), /^hello 192\.0\.2\.1/);
  assert.equal(await heardBy(await behind("192.0.2.1")), "no: address\n");
  assert.match(await lineFrom(await behind("192.0.2.2")), /^hello/);
  assert.equal(await heardBy(await behind("192.0.3.2")), "no: stranger\n");
  assert.equal(await heardBy(await connect("127.0.0.2")), "no: stranger\n");
  assert.deepEqual(refused, ["192.0.2.1 address", "192.0.3.2 stranger", "127.0.0.2 stranger"]);
  one.end();
  await until(() => admission.count === 1);
  assert.match(await lineFrom(await behind("192.0.2.1")), /^hello/);
});

test("close() resolves when the last connection has been served", async (context) => {
  const { connect, listening } = await server(context);
  const client = await connect();
  await lineFrom(client);
  let closed = false;
  const closing = listening.close().then(() => (closed = true));
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(closed, false);
  client.end();
  await closing;
  await assert.rejects(connect());
});
