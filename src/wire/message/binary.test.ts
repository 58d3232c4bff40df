import assert from "node:assert/strict";
import test from "node:test";
import { examine, mayRecode, mustRecode, recode, type Target } from "./binary.ts";
import { firstValue } from "./header.ts";
import { type Part, parseMime } from "./mime.ts";
import { Walker } from "./walk.ts";

const SEED = Number(process.env["SEED"] ?? 20260301);

async function* inPieces(bytes: Buffer, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function recoded(text: string | Buffer, target: Target, size = 1 << 20): Promise<string> {
  const bytes = typeof text === "string" ? Buffer.from(text, "latin1") : text;
  const facts = await examine(inPieces(bytes, size));
  const parts: Buffer[] = [];
  for await (const part of recode(inPieces(bytes, size), facts, target)) parts.push(Buffer.from(part));
  return Buffer.concat(parts).toString("latin1");
}

const factsOf = (text: string) => examine(inPieces(Buffer.from(text, "latin1"), 7));

/** Bodies of the leaves, without their encodings. */
function leavesOf(bytes: Buffer, part: Part): string[] {
  if (part.message) return leavesOf(bytes, part.message);
  if (part.type.value.startsWith("multipart/")) return part.parts.flatMap((each) => leavesOf(bytes, each));
  const body = bytes.toString("latin1", part.bodyStart, part.end);
  switch ((firstValue(part.fields, "Content-Transfer-Encoding") ?? "").toLowerCase()) {
    case "base64":
      return [Buffer.from(body, "base64").toString("latin1")];
    case "quoted-printable":
      return [
        body
          .replaceAll("=\r\n", "")
          .replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
      ];
    default:
      return [body];
  }
}

const contents = (text: string): string[] => {
  const bytes = Buffer.from(text, "latin1");
  return leavesOf(bytes, parseMime(bytes));
};

test("8-bit text becomes quoted-printable, other parts base64, what is ASCII stays", async () => {
  const message = [
    "MIME-Version: 1.0",
    'Content-Type: multipart/mixed; boundary="b"',
    "Content-Transfer-Encoding: 8bit",
    "",
    "pre\xe4mble",
    "--b",
    "Content-Type: text/plain; charset=iso-8859-1",
    "Content-Transfer-Encoding: 8bit",
    "X: y",
    "",
    "gr\xfc\xdfe = \t",
    ".dot",
    "--b ",
    "",
    "ascii",
    "--b",
    "Content-Type: image/x",
    "Content-Transfer-Encoding: 8BIT",
    "",
    "\xff\xfe",
    "--b",
    "Content-Type: message/rfc822",
    "Content-Transfer-Encoding: 8bit",
    "",
    "Subject: inner",
    "",
    "\xe9",
    "--b--",
    "",
  ].join("\r\n");
  assert.equal(
    await recoded(message, "7bit"),
    [
      "MIME-Version: 1.0",
      'Content-Type: multipart/mixed; boundary="b"',
      "Content-Transfer-Encoding: 7bit",
      "",
      "pre?mble",
      "--b",
      "Content-Type: text/plain; charset=iso-8859-1",
      "X: y",
      "Content-Transfer-Encoding: quoted-printable",
      "",
      "gr=FC=DFe =3D =09",
      ".dot",
      "--b ",
      "",
      "ascii",
      "--b",
      "Content-Type: image/x",
      "Content-Transfer-Encoding: base64",
      "",
      "//4=",
      "--b",
      "Content-Type: message/rfc822",
      "Content-Transfer-Encoding: 7bit",
      "",
      "Subject: inner",
      "Content-Type: text/plain; charset=unknown-8bit",
      "MIME-Version: 1.0",
      "Content-Transfer-Encoding: quoted-printable",
      "",
      "=E9",
      "--b--",
      "",
    ].join("\r\n"),
  );
  assert.equal(await recoded(message, "8bit"), message);
});

test("binary parts become base64, and every byte of them survives", async () => {
  const binary = `\0\r\n\n\r--b-\r\n--bb\r\n\r\r\n${"\xff".repeat(3000)}\n`;
  const message = `Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: binary\r\n\r\n--b\r\nContent-Type: application/x\r\nContent-Transfer-Encoding: binary\r\n\r\n${binary}\r\n--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: binary\r\n\r\ntext \xe4\r\n\r\n--b--\r\n`;
  const safe = await recoded(message, "8bit");
  assert.doesNotMatch(safe, /\0|\r(?!\n)|(?<!\r)\n|[^\n]{1000}/);
  assert.match(
    safe,
    /^Content-Type: multipart\/mixed; boundary=b\r\nMIME-Version: 1\.0\r\nContent-Transfer-Encoding: 8bit\r\n\r\n--b/,
  );
  assert.match(
    safe,
    /Content-Type: text\/plain\r\nContent-Transfer-Encoding: 8bit\r\n\r\ntext \xe4\r\n\r\n--b--\r\n$/,
  );
  assert.deepEqual(contents(safe), [binary, "text \xe4\r\n"]);
  assert.doesNotMatch(await recoded(message, "7bit"), /[\x80-\xff]/);
  // without parts too
  const alone = await recoded("Subject: x\r\nContent-Type: application/x\r\n\r\na\nb\rc\0", "8bit");
  assert.deepEqual(contents(alone), ["a\nb\rc\0"]);
});

test("what a message needs is told", async () => {
  const rows: [text: string, seven: boolean, eight: boolean, may: boolean, header: boolean][] = [
    ["Subject: x\r\n\r\nabc\r\n", false, false, true, false],
    ["Subject: x\r\n\r\n\xe4\r\n", true, false, true, false],
    ["Subject: \xe4\r\n\r\nabc\r\n", false, false, true, true],
    ["Subject: x\r\n\r\na\nb", true, true, true, false],
    ["Subject: x\r\n\r\na\r", true, true, true, false],
    [`Subject: x\r\n\r\n${"a".repeat(998)}\r\n`, false, false, true, false],
    [`Subject: x\r\n\r\n${"a".repeat(999)}\r\n`, true, true, true, false],
    [
      "Content-Type: multipart/x; boundary=b\r\n\r\n--b\r\nX: \xe4\r\n\r\nabc\r\n--b--\r\n",
      false,
      false,
      true,
      true,
    ],
    [
      "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n\xe4\r\n--b--\r\n",
      true,
      false,
      false,
      false,
    ],
    [`Subject: ${"x\r\n ".repeat(100_000)}\r\n\r\n\xe4`, true, false, false, false],
    ["", false, false, true, false],
  ];
  for (const [text, seven, eight, may, header] of rows) {
    const facts = await factsOf(text);
    const what = JSON.stringify(text.slice(0, 80));
    assert.deepEqual([mustRecode(facts, "7bit"), mustRecode(facts, "8bit")], [seven, eight], what);
    assert.deepEqual([mayRecode(facts, "7bit"), facts.eightBitHeader], [may, header], what);
  }
});

/** Pieces that boundaries, line ends and headers are made of. */
const PIECES = [
  "\r\n",
  "\r\n",
  "\n",
  "\r",
  "--b",
  "--b--",
  "--c",
  "-",
  "x",
  "\xe4",
  "\0",
  " ",
  "\r\n--b\r\n",
  "\r\n--c\r\n\r\n",
  "Content-Type: multipart/mixed; boundary=c\r\n\r\n",
  "Content-Type: text/plain\r\n\r\n",
  "Content-Type: message/rfc822\r\n\r\n",
  "Content-Transfer-Encoding: binary\r\n",
];

test("however a message is cut into chunks, all of it comes out, and what is recoded is the same", async () => {
  let state = SEED;
  const random = (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return (state >> 8) % below;
  };
  for (let round = 0; round < 400; round++) {
    let text = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n";
    for (let n = random(25); n > 0; n--) text += PIECES[random(PIECES.length)] ?? "";
    const bytes = Buffer.from(text, "latin1");
    const out: Buffer[] = [];
    const walker = new Walker({
      header: (_, each) => void out.push(Buffer.from(each)),
      body: (each) => void out.push(Buffer.from(each)),
      frame: (each) => void out.push(Buffer.from(each)),
      end: () => {},
    });
    const whole = [await recoded(bytes, "7bit"), await recoded(bytes, "8bit")];
    const size = 1 + random(9);
    for await (const piece of inPieces(bytes, size)) walker.feed(piece);
    walker.end();
    const what = `SEED=${SEED} round ${round}: ${JSON.stringify(text)}`;
    assert.equal(Buffer.concat(out).toString("latin1"), text, what);
    assert.deepEqual([await recoded(bytes, "7bit", size), await recoded(bytes, "8bit", size)], whole, what);
  }
});

test("a line of quoted-printable is never longer than 76, and never cut within a character", async () => {
  const line = "\xe4a=".repeat(300);
  const coded = await recoded(`Content-Type: text/plain\r\n\r\n${line}\r\n`, "7bit");
  assert.ok(coded.split("\r\n").every((each) => each.length <= 76));
  assert.deepEqual(contents(coded), [`${line}\r\n`]);
});
