// Garbage at every door of reading mail: dialogs cut, doubled and changed at random. Nothing crashes, and a new client is served.
// FUZZ_SEED repeats a run, FUZZ_ITERATIONS makes it longer.

import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import test from "node:test";
import { parseUidList } from "#store/maildir/uidlist.ts";
import { parseDialog, rawBytes } from "#test/support/dialog.ts";
import { ReadingWorld, sampleMail } from "#test/support/reading.ts";
import { CommandReader } from "#wire/imap/command.ts";
import { readFetchItems } from "#wire/imap/fetch.ts";
import { Arguments, parseArguments, readHead } from "#wire/imap/lexer.ts";
import { readSearch } from "#wire/imap/search.ts";
import { parseUtf7 } from "#wire/imap/utf7.ts";
import { formatBodyStructure, formatEnvelope } from "#wire/message/bodystructure.ts";
import { headerEnd, parseFields } from "#wire/message/header.ts";
import { parseMime } from "#wire/message/mime.ts";
import { hiddenTexts } from "#wire/message/text.ts";

const seed = Number(process.env["FUZZ_SEED"] ?? 20_060_101);
const iterations = Number(process.env["FUZZ_ITERATIONS"] ?? 150);

type Random = (below: number) => number;

/** A small generator that can be started anywhere (mulberry32). */
function generator(start: number): Random {
  let state = start >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const spice = [
  ...'()[]"\\\0\r\n*%+& \xff',
  "{99999999999}\r\n",
  "{3}\r\n",
  "{3+}\r\nabc",
  "{0}\r\n",
  "\r\n",
  "1:*",
  "<0.1>",
  "BODY[",
  "4294967296",
  "NIL",
  "&AAA-",
  "A".repeat(5000),
  "((((((((",
  "OR NOT ",
];

function mutated(bytes: Buffer, random: Random): Buffer {
  let out = bytes;
  for (let count = 1 + random(4); count > 0; count--) {
    const at = random(out.length + 1);
    const end = Math.min(out.length, at + random(20));
    const added = Buffer.from(spice[random(spice.length)] ?? "", "latin1");
    const [before, behind] = [
      [out.subarray(0, at), out.subarray(end)],
      [out.subarray(0, end), out.subarray(at)],
      [out.subarray(0, at), Buffer.alloc(0)],
      [Buffer.concat([out.subarray(0, at), added]), out.subarray(at)],
    ][random(4)] ?? [out, added];
    out = Buffer.concat([before ?? out, behind ?? added]);
  }
  return out;
}

const root = path.resolve(import.meta.dirname, "../dialogs");

/** What the clients of the dialogs send, one packet a dialog. */
const seeds = ["imap", "pop3"].flatMap((protocol) =>
  globSync(`${protocol}/*.dialog`, { cwd: root })
    .sort()
    .map((file) => {
      const { steps } = parseDialog(file, readFileSync(path.join(root, file), "utf8"));
      const said = steps.filter(({ verb, connection }) => connection === 1 && verb.startsWith("C"));
      const bytes = said.map(({ verb, text }) =>
        verb === "C:" ? Buffer.from(`${text}\r\n`) : rawBytes(text),
      );
      return { protocol, bytes: Buffer.concat(bytes) };
    }),
);

const inner = sampleMail(2);
const mail = Buffer.from(
  `Subject: x\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n${inner}\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--b--\r\n`,
);

/** Waits until so few connections are open; failed logins take their time. */
async function fewerThan({ lines }: ReadingWorld, most: number): Promise<void> {
  const count = (event: string) => lines.filter((line) => line.includes(event)).length;
  for (let patience = 600; count(" gate_connect ") - count(" gate_disconnect ") >= most; patience--) {
    assert.ok(patience > 0, "connections are left over");
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

test(`the codecs of reading mail take any bytes (seed ${seed})`, () => {
  const random = generator(seed);
  const items = Buffer.from(" (FLAGS BODY[1.HEADER.FIELDS (a b)]<0.5>) OR FROM x NOT 1:5");
  const list = Buffer.from("3 V1 N5 Gaa\n1 W5 :a,S=3:2,S\n2 :b\n");
  for (let round = 0; round < iterations * 10; round++) {
    const reader = new CommandReader(4096);
    reader.feed(mutated(seeds[random(seeds.length)]?.bytes ?? mail, random));
    for (let event = reader.next(); event; event = reader.next()) {
      if (event.kind === "literal") reader.accept((["keep", "stream", "skip"] as const)[random(3)] ?? "keep");
      if (event.kind === "command") readHead(event.pieces);
    }
    const line = mutated(items, random).toString("latin1");
    parseArguments(new Arguments([line]), readFetchItems);
    parseArguments(new Arguments([line]), readSearch);
    parseUtf7(line);
    parseUidList(mutated(list, random).toString("utf8"));
    const message = mutated(mail, random);
    const tree = parseMime(message);
    formatBodyStructure(tree, true);
    formatEnvelope(parseFields(message.subarray(0, headerEnd(message))));
    assert.ok([...hiddenTexts(message, tree)].every((text) => typeof text === "string"));
  }
});

test(`gate and reader outlive garbage, and go on serving (seed ${seed})`, async () => {
  const random = generator(seed);
  const world = await ReadingWorld.start();
  const failures: unknown[] = [];
  const fail = (reason: unknown) => void failures.push(reason);
  process.on("unhandledRejection", fail);
  try {
    for (let at = 1; at <= 3; at++) world.put(sampleMail(at));
    for (let round = 0; round < iterations; round++) {
      const { protocol, bytes } = seeds[random(seeds.length)] ?? { protocol: "imap", bytes: mail };
      const client = await world.connect(protocol === "pop3" ? "pop3" : "imap");
      const login =
        protocol === "pop3"
          ? "USER ann@example.test\r\nPASS secret\r\n"
          : "x LOGIN ann@example.test secret\r\ny SELECT INBOX\r\n";
      const garbage = mutated(bytes, random);
      client.send(random(3) > 0 ? Buffer.concat([Buffer.from(login), garbage]) : garbage);
      await client.receive();
      client.close();
      // gate takes a hundred from one address
      await fewerThan(world, 80);
    }
    // every client has gone: whoever is still served now is served for ever
    await fewerThan(world, 1);
    const witness = await world.connect("imap");
    witness.send(Buffer.from("a LOGIN bob@example.test geheim\r\nb SELECT INBOX\r\nc LOGOUT\r\n"));
    let said = "";
    for (let chunk = await witness.receive(); chunk; chunk = await witness.receive()) said += chunk;
    assert.match(said, /^c OK/m);
    assert.deepEqual(failures, []);
    assert.equal(
      world.lines.filter((line) => /Bug:|Error|not a function|undefined/.test(line)).join("\n"),
      "",
    );
  } finally {
    process.off("unhandledRejection", fail);
    await world.stop();
  }
});
