import assert from "node:assert/strict";
import test from "node:test";
import { formatNetstring } from "./netstring.ts";
import { NetstringReader, NotNetstring } from "./netstringstream.ts";

async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

test("what is written is read again, whole and as a stream, however it is cut into chunks", async () => {
  const parts = ["", "a", "12:x,", "y".repeat(3000)].map((text) => Buffer.from(text));
  const file = Buffer.concat([Buffer.from("first line\n"), ...parts.map((part) => formatNetstring(part))]);
  for (const size of [1, 2, 7, 1000, file.length]) {
    const reader = new NetstringReader(pieces(file, size));
    assert.equal(await reader.line(100), "first line");
    assert.deepEqual(await reader.whole(100), parts[0]);
    const { length, chunks } = await reader.streamed();
    assert.equal(length, 1);
    assert.equal(Buffer.concat(await Array.fromAsync(chunks)).toString(), "a");
    assert.deepEqual(await reader.whole(5), parts[2]);
    assert.equal(Buffer.concat(await Array.fromAsync((await reader.streamed()).chunks)).length, 3000);
    assert.equal(await reader.whole(5), undefined);
  }
});

test("what is cut off, too long or has a wrong length is told", async () => {
  const read = (text: string) => new NetstringReader(pieces(Buffer.from(text), 3)).whole(10);
  for (const text of ["3:ab", "3:ab,", "3:abcd,", "x:", "03:abc,", "11:aaaaaaaaaaa,", "123456789012:", "12"])
    await assert.rejects(read(text), NotNetstring, text);
});
