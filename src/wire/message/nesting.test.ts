import assert from "node:assert/strict";
import test from "node:test";
import { everySplit } from "#test/support/everysplit.ts";
import { type Part, parseMime } from "./mime.ts";
import { Nesting } from "./nesting.ts";

const bounds = { depth: 30, contentType: 8192 };

function depthOf(chunks: readonly Buffer[]): number {
  const nesting = new Nesting(bounds);
  for (const chunk of chunks) nesting.feed(chunk);
  return nesting.depth;
}

const multipart = (boundary: string, ...parts: readonly string[]) =>
  `Content-Type: multipart/mixed;\r\n\tboundary="${boundary}"\r\n\r\npreamble\r\n${parts
    .map((part) => `--${boundary}\r\n${part}\r\n`)
    .join("")}--${boundary}--\r\nepilogue\r\n`;
const text = "Content-Type: text/plain\r\n\r\n-- \r\n--x\r\n---\r\nhello\r\n-";
const message = (inner: string) => `Content-Type: message/rfc822\r\n\r\n${inner}`;

const rows: readonly (readonly [what: string, text: string, depth: number])[] = [
  ["nothing", "", 0],
  ["text", `Subject: x\r\n${text}`, 0],
  ["no header", "\r\n--x\r\n", 0],
  ["a multipart", multipart("x1", text, text), 1],
  ["a multipart whose boundary never comes", "Content-Type: multipart/mixed; boundary=b\r\n\r\nx", 1],
  ["a multipart without boundary", "Content-Type: multipart/mixed\r\n\r\n--\r\n", 0],
  ["in each other", multipart("a", multipart("b", text), multipart("bb", multipart("c", text))), 3],
  ["behind each other", multipart("a", text, multipart("b", text), text, multipart("b", text)), 2],
  ["a message", message(`Subject: y\r\n${text}`), 1],
  ["a message in a part", multipart("a", message(multipart("b", message(text))), text), 4],
  [
    "a digest",
    `content-TYPE : multipart/digest; boundary=d\r\n\r\n--d\r\n\r\n${multipart("e", text)}--d--`,
    3,
  ],
  [
    "a part that ends without a blank line",
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n--b\r\nContent-Type: text/html\r\n--b--\r\n",
    1,
  ],
  ["a level that is never closed", multipart("a", multipart("b", text).replace("--b--", ""), text), 2],
  ["the first Content-Type counts", `Content-Type: text/plain\r\n${multipart("a", text)}`, 0],
  ["a Content-Type in another field", `Subject:\r\n ${multipart("a", text).replace("\r\n\t", " ")}`, 0],
  ["bare LF", multipart("a", multipart("b", text)).replaceAll("\r\n", "\n"), 2],
];

test("the depth of each message, however it is cut, is that of the parser for whole messages", () => {
  for (const [what, source, depth] of rows) {
    const bytes = Buffer.from(source, "latin1");
    assert.equal(everySplit(bytes, depthOf), depth, what);
    assert.equal(treeDepth(parseMime(bytes)), depth, `${what}, by parseMime`);
  }
});

function treeDepth({ type, parts, message: inner }: Part): number {
  const isMultipart = type.value.startsWith("multipart/") && type.parameters.get("boundary") !== undefined;
  if (isMultipart) return 1 + Math.max(0, ...parts.map(treeDepth));
  return inner ? 1 + treeDepth(inner) : 0;
}

test("random messages of parts in parts", () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  let state = seed;
  const random = (below: number) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((state / 2 ** 31) * below);
  };
  let count = 0;
  const make = (left: number): string => {
    switch (left === 0 ? 0 : random(4)) {
      case 0:
        return `${text}${"\r\n--".repeat(random(3))}`;
      case 1:
        return message(make(left - 1));
      default:
        return multipart(`b${++count}`, ...Array.from({ length: random(4) }, () => make(left - 1)));
    }
  };
  for (let round = 0; round < 300; round++) {
    const bytes = Buffer.from(`Subject: x\r\n${make(6)}`);
    const chunks: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
      const length = 1 + random(random(2) === 0 ? 5 : 500);
      chunks.push(bytes.subarray(at, at + length));
      at += length;
    }
    assert.equal(depthOf(chunks), treeDepth(parseMime(bytes)), `seed ${seed}, round ${round}`);
  }
});

test("nobody counts on behind the bound, and long lines are no boundaries and no fields", () => {
  let deep = text;
  for (let level = 0; level < 100; level++) deep = multipart(`b${level}`, deep);
  assert.equal(depthOf([Buffer.from(deep)]), bounds.depth + 1);
  const long = `Subject: ${"x".repeat(bounds.contentType)}\r\n${multipart("a", text)}`;
  const bytes = Buffer.from(long);
  for (const size of [1, 1000, 8191, 8192, 8193, bytes.length]) {
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
      bytes.subarray(at * size, (at + 1) * size),
    );
    assert.equal(depthOf(chunks), 1, `pieces of ${size}`);
  }
  const hidden = `Subject: ${"x".repeat(bounds.contentType - 9)}Content-Type: multipart/mixed; boundary=a\r\n\r\n`;
  assert.equal(depthOf([Buffer.from(hidden)]), 0);
});

test("a body is looked through quickly", () => {
  const nesting = new Nesting(bounds);
  nesting.feed(Buffer.from(multipart("a", text).replace("--a--\r\nepilogue\r\n", "--a\r\n\r\n")));
  const lines = Buffer.from(`${"x".repeat(76)}\r\n`.repeat(420));
  const began = performance.now();
  for (let piece = 0; piece < 1000; piece++) nesting.feed(lines);
  const ms = performance.now() - began;
  assert.ok(ms < 2000, `32 MB took ${Math.round(ms)} ms`);
});
