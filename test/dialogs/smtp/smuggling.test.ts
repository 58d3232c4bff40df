// The smuggling table: every way to put CR, LF, NUL, a dot and a letter together around what may be an end of data, with the verdict of an
// oracle that knows nothing of our readers: one message or two, taken or refused, and what of it is a command.

import assert from "node:assert/strict";
import test from "node:test";
import { settle } from "#test/support/clock.ts";
import { DotReader } from "#wire/dots.ts";
import { heard, say, TO_DATA, TO_RCPT } from "./clients.ts";
import { World } from "./world.ts";

const SIGNS = ["\r", "\n", ".", "\0", "a"];

/** All strings over SIGNS up to a length, the empty one first. */
function* strings(most: number): Generator<string> {
  let longest = [""];
  yield "";
  for (let length = 1; length <= most; length++) {
    longest = longest.flatMap((each) => SIGNS.map((sign) => each + sign));
    yield* longest;
  }
}

interface Verdict {
  /** The body as the sender meant it, with its last CR LF; undefined: it has not ended. */
  readonly text: string | undefined;
  readonly rest: string;
  readonly flawed: boolean;
}

/** RFC 5321 §4.1.1.4, §4.5.2, read aloud. */
function oracle(input: string): Verdict {
  // the line of DATA ended with CR LF
  const all = `\r\n${input}`;
  const end = all.indexOf("\r\n.\r\n");
  const body = end < 0 ? all : all.slice(0, end + 2);
  const flawed = body.split("\r\n").some((line) => /[\r\n\0]/.test(line));
  if (end < 0) return { text: undefined, rest: "", flawed };
  const text = body.replaceAll("\r\n.", "\r\n").slice(2);
  return { text, rest: all.slice(end + 5), flawed };
}

function read(chunks: readonly string[]): Verdict {
  const reader = new DotReader();
  let text = "";
  let rest = "";
  let ended = false;
  for (const chunk of chunks.map((each) => Buffer.from(each, "latin1"))) {
    if (ended) {
      rest += chunk.toString("latin1");
      continue;
    }
    const end = reader.feed(chunk, (part) => (text += part.toString("latin1")));
    ended = end >= 0;
    if (ended) rest += chunk.toString("latin1", end);
  }
  return { text: ended ? text : undefined, rest, flawed: reader.flaw !== undefined };
}

const shown = (text: string): string => JSON.stringify(text);

test("the reader of bodies ends, unstuffs and judges as the oracle does, for 39,062 bodies", () => {
  let [bodies, ends, flaws] = [0, 0, 0];
  for (const middle of strings(6))
    for (const before of ["", "x"]) {
      const input = `${before}${middle}MAIL FROM:<evil@x.test>\r\n.\r\nQUIT\r\n`;
      const wanted = oracle(input);
      assert.deepEqual(read([input]), wanted, shown(input));
      bodies++;
      if (wanted.rest !== "QUIT\r\n") ends++;
      if (wanted.flawed) flaws++;
    }
  assert.deepEqual({ bodies, ends, flaws }, { bodies: 39_062, ends: 177, flaws: 38_344 });
});

test("so it does byte by byte, and for bodies that do not end", () => {
  for (const middle of strings(5)) {
    const wanted = oracle(middle);
    const got = read([...middle]);
    if (wanted.text !== undefined) assert.deepEqual(got, wanted, shown(middle));
    else {
      assert.equal(got.text, undefined, shown(middle));
      // of the last bytes it may not know yet
      if (!wanted.flawed) assert.equal(got.flawed, false, shown(middle));
    }
  }
});

const EVIL =
  "MAIL FROM:<evil@x.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\nSubject: evil\r\n\r\nx\r\n.\r\n";

/** Codes of the replies to some bytes, and who sent what the queue has taken. */
async function send(
  before: string,
  pieces: readonly string[],
): Promise<readonly [codes: string, senders: string]> {
  const world = new World();
  const { client, done } = world.connect();
  await say(client, before);
  for (const piece of pieces) {
    client.send(Buffer.from(piece, "latin1"));
    if (pieces.length > 1) await settle(1);
  }
  const said = await heard(client);
  client.close();
  await done;
  const codes = [...said.matchAll(/^(\d{3}) /gm)].map(([, code]) => code).join(" ");
  const taken = world.messages.filter(({ state }) => state === "queued");
  return [codes, taken.map(({ envelope }) => envelope.sender).join(" ")];
}

/** The codes that must come for what stands before EVIL, and whose messages are taken. */
function verdictOf(middle: string): { readonly codes: RegExp; readonly senders: readonly string[] } {
  const { rest, flawed } = oracle(`x${middle}${EVIL}`);
  const [code, taken] = flawed ? ["550", []] : ["250", ["b@far.test"]];
  if (rest === "") return { codes: new RegExp(`^${code}$`), senders: taken };
  // behind a real end our client says it himself
  if (rest === EVIL)
    return { codes: new RegExp(`^${code} 250 250 354 250$`), senders: [...taken, "evil@x.test"] };
  // unless more stands before it on its line
  return { codes: new RegExp(`^${code} 500\\b`), senders: taken };
}

test("whatever stands before it, a second message within a first one by DATA is only taken behind CR LF . CR LF", async () => {
  for (const middle of strings(5)) {
    if (middle.length === 5 && !/[\r\n]\.[\r\n]/.test(middle)) continue;
    const { codes, senders } = verdictOf(middle);
    const [gotCodes, gotSenders] = await send(`${TO_DATA}Subject: x\r\n\r\n`, [`x${middle}${EVIL}`]);
    assert.match(gotCodes, codes, shown(middle));
    assert.equal(gotSenders, senders.join(" "), shown(middle));
  }
});

test("so it is when the bytes come one by one", async () => {
  for (const middle of strings(3)) {
    const { rest, flawed } = oracle(`x${middle}${EVIL}`);
    assert.equal(rest, "", "three signs and EVIL make no end");
    const [codes, senders] = await send(`${TO_DATA}Subject: x\r\n\r\n`, [..."x", ...middle, ...EVIL]);
    assert.equal(codes, flawed ? "550" : "250", shown(middle));
    assert.equal(senders, flawed ? "" : "b@far.test", shown(middle));
  }
});

test("nothing within the octets of a chunk is a command or an end, whatever it is", async () => {
  for (const middle of strings(4)) {
    const body = `Subject: x\r\n\r\nx${middle}${EVIL}`;
    const flawed = body.split("\r\n").some((line) => /[\r\n\0]/.test(line));
    const [codes, senders] = await send(TO_RCPT, [`BDAT ${body.length} LAST\r\n${body}NOOP\r\n`]);
    assert.equal(codes, flawed ? "550 250" : "250 250", shown(middle));
    assert.equal(senders, flawed ? "" : "b@far.test", shown(middle));
  }
});

test("a command is one only on a line of its own, between CR LF and CR LF", async () => {
  for (const middle of strings(4)) {
    const [codes, senders] = await send("EHLO c.test\r\n", [`NOOP${middle}${EVIL}`]);
    const runs = middle.endsWith("\r\n");
    assert.equal(senders, runs ? "evil@x.test" : "", shown(middle));
    assert.equal(codes.endsWith("250 250 354 250"), runs, `${shown(middle)}: ${codes}`);
  }
});
