import assert from "node:assert/strict";
import net from "node:net";
import test from "node:test";
import { everySplit } from "#test/support/everysplit.ts";
import { type Frame, FrameReader, formatFrame, Link } from "./frame.ts";

const plain = (frames: readonly Frame[]) =>
  frames.map(({ kind, stream, payload }) => [kind, stream, payload.toString("latin1")]);

function feedAll(chunks: readonly Buffer[], max?: number): unknown[] {
  const reader = new FrameReader(max);
  const out: unknown[] = [];
  for (const chunk of chunks) {
    const frames = reader.feed(chunk);
    if (typeof frames === "string") return [...out, frames];
    out.push(...plain(frames));
  }
  return out;
}

test("frames come out the same however their bytes are cut", () => {
  const bytes = Buffer.concat([
    formatFrame(1, 7, "hello"),
    formatFrame(2, 0xffff_ffff),
    formatFrame(255, 0, Buffer.from([0, 13, 10, 255])),
  ]);
  assert.deepEqual(everySplit(bytes, feedAll), [
    [1, 7, "hello"],
    [2, 0xffff_ffff, ""],
    [255, 0, "\0\r\n\xff"],
  ]);
});

test("lengths at the borders", () => {
  const at = (length: number, payload = 0) => {
    const bytes = Buffer.alloc(9 + payload);
    bytes.writeUInt32BE(length, 0);
    return feedAll([bytes], 100)[0];
  };
  assert.equal(at(0), "frame of 0 bytes");
  assert.equal(at(4), "frame of 4 bytes");
  assert.deepEqual(at(5), [0, 0, ""]);
  assert.deepEqual(at(100, 95), [0, 0, "\0".repeat(95)]);
  assert.equal(at(101), "frame of 101 bytes");
  assert.equal(at(2 ** 31), "frame of 2147483648 bytes");
  assert.equal(at(2 ** 32 - 1), "frame of 4294967295 bytes");
});

/** Two links over a real socket pair; what each heard and why it ended. */
async function pair(raw?: (accepted: net.Socket) => void) {
  const heard: string[] = [];
  const closed: string[] = [];
  const server = net.createServer((accepted) => {
    if (raw) raw(accepted);
    else {
      new Link(accepted, {
        frame: (frame) => heard.push(`${frame.kind}:${frame.payload}`),
        closed: (reason) => closed.push(reason.message),
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  const socket = net.connect(port, "127.0.0.1");
  const done = Promise.withResolvers<string>();
  const link = new Link(socket, {
    frame: (frame) => heard.push(`client ${frame.kind}`),
    closed: (reason) => done.resolve(reason.message),
  });
  return { link, heard, closed, done: done.promise, stop: () => void server.close() };
}

test("a link carries small and large payloads in order", async () => {
  const { link, heard, closed, done, stop } = await pair();
  link.send(1, 1, "small");
  link.send(2, 1, Buffer.alloc(100_000, "x"));
  link.send(3, 1, "last");
  link.end();
  await done;
  stop();
  assert.deepEqual(
    heard.map((each) => each.slice(0, 8)),
    ["1:small", "2:xxxxxx", "3:last"],
  );
  assert.equal(closed.length, 1);
});

test("garbage from the peer closes the link and throws nothing", async () => {
  for (const garbage of ["GET / HTTP/1.1\r\n\r\n", "\0\0\0\x05\0\0\0\0\0", "\xff\xff\xff\xff"]) {
    const { done, stop } = await pair((socket) => {
      socket.on("error", () => {
        // the other side resets
      });
      socket.write(Buffer.from(garbage, "latin1"));
      socket.write(Buffer.alloc(20));
    });
    assert.match(await done, /garbage|another version/, JSON.stringify(garbage));
    stop();
  }
});
