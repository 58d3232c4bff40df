import assert from "node:assert/strict";
import test from "node:test";
import type { Delivery } from "#talk/deliver.ts";
import { bodyOf, delivery, short, textOf, world } from "#test/support/remoteworld.ts";
import type { Script } from "#test/support/smtpsink.ts";

const offering = (...extensions: readonly string[]): Script => ({
  EHLO: ["250-sink.example", ...extensions.map((each) => `250-${each}`), "250 HELP"],
});

const EIGHT =
  "Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n.gr\xc3\xbc\xc3\x9fe\r\n";
const QUOTED =
  "Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n..gr=C3=BC=C3=9Fe\r\n";
const SIGNED = "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n\xe4\r\n--b--\r\n";
const BINARY =
  "Content-Type: application/x\r\nContent-Transfer-Encoding: binary\r\n\r\na\nb\r.\r\n.\r\n\0\xff";
const BASE64 =
  "Content-Type: application/x\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: base64\r\n\r\nYQpiDS4NCi4NCgD/\r\n";
const BINARY_EHLO = ["BINARYMIME", "CHUNKING", "SIZE"];

interface Row {
  readonly what: string;
  readonly offers: readonly string[];
  readonly body: Delivery["body"];
  readonly text: string;
  readonly outcome: string;
  readonly mail?: string;
  readonly raw?: string;
}

const size = (text: string) => Buffer.from(text, "latin1").length;

const rows: readonly Row[] = [
  {
    what: "8 bits to a server that takes them",
    offers: ["8BITMIME"],
    body: "8bitmime",
    text: EIGHT,
    outcome: "delivered",
    mail: " BODY=8BITMIME",
    raw: EIGHT.replace("\n.gr", "\n..gr"),
  },
  {
    what: "8 bits to one that does not",
    offers: ["SIZE"],
    body: "8bitmime",
    text: EIGHT,
    outcome: "delivered",
    mail: ` SIZE=${size(QUOTED) - 1}`,
    raw: QUOTED,
  },
  {
    what: "undeclared, to one that does not",
    offers: [],
    body: "7bit",
    text: EIGHT,
    outcome: "delivered",
    mail: "",
    raw: QUOTED,
  },
  {
    what: "declared, and yet ASCII",
    offers: [],
    body: "8bitmime",
    text: "Subject: x\r\n\r\nx\r\n",
    outcome: "delivered",
    mail: "",
    raw: "Subject: x\r\n\r\nx\r\n",
  },
  {
    what: "signed, to one that does not",
    offers: [],
    body: "8bitmime",
    text: SIGNED,
    outcome: "failed 5.6.3",
  },
  {
    what: "signed, to one that does",
    offers: ["8BITMIME"],
    body: "8bitmime",
    text: SIGNED,
    outcome: "delivered",
    mail: " BODY=8BITMIME",
    raw: SIGNED,
  },
  {
    what: "binary to a server that takes it",
    offers: BINARY_EHLO,
    body: "binarymime",
    text: BINARY,
    outcome: "delivered",
    mail: ` SIZE=${size(BINARY)} BODY=BINARYMIME`,
    raw: BINARY,
  },
  {
    what: "binary, pipelined",
    offers: ["PIPELINING", "BINARYMIME", "CHUNKING"],
    body: "binarymime",
    text: BINARY,
    outcome: "delivered",
    mail: " BODY=BINARYMIME",
    raw: BINARY,
  },
  {
    what: "binary without chunks",
    offers: ["BINARYMIME", "8BITMIME"],
    body: "binarymime",
    text: BINARY,
    outcome: "delivered",
    mail: " BODY=8BITMIME",
    raw: BASE64,
  },
  {
    what: "binary to an old server",
    offers: [],
    body: "binarymime",
    text: BINARY,
    outcome: "delivered",
    mail: "",
    raw: BASE64,
  },
  {
    what: "larger than the server takes, when it is encoded",
    offers: [`SIZE ${size(EIGHT) + 5}`],
    body: "8bitmime",
    text: EIGHT,
    outcome: "failed 5.3.4",
  },
];

test("a message goes as the server can take it, whatever its bytes", async (context) => {
  for (const { what, offers, body, text, outcome, mail, raw } of rows) {
    for (const parts of [0, 1, 7]) {
      const { remote, sink } = await world(context, [offering(...offers)], {
        openBody: async () => bodyOf(text, parts),
      });
      const done = await remote.deliver(delivery(undefined, { body }));
      assert.deepEqual(short(done), [outcome], `${what}: ${textOf(done)}`);
      assert.equal(sink.messages.length, outcome === "delivered" ? 1 : 0, what);
      if (mail !== undefined)
        assert.equal(sink.messages[0]?.mail, `MAIL FROM:<sam@sender.test>${mail}`, what);
      assert.equal(sink.messages[0]?.raw, raw, what);
    }
  }
});

test("a binary message is not sent when nobody is to get it, nor taken for whole when it is not", async (context) => {
  const openBody = async () => bodyOf(BINARY, 3);
  const binary = delivery(undefined, { body: "binarymime" });
  for (const extensions of [BINARY_EHLO, ["PIPELINING", ...BINARY_EHLO]]) {
    const refusals: [script: Script, outcome: string][] = [
      [{ RCPT: "550 5.1.1 no" }, "failed 5.1.1"],
      [{ MAIL: "451 4.3.0 later", RCPT: "503 no" }, "deferred 4.3.0"],
      [{ BDAT: "552 5.3.4 too much" }, "failed 5.3.4"],
      [{ BDAT: "451 4.3.0 later" }, "deferred 4.3.0"],
      [{ BDAT: "close" }, "deferred 4.4.2"],
    ];
    for (const [script, outcome] of refusals) {
      const { remote, sink } = await world(context, [{ ...offering(...extensions), ...script }], {
        openBody,
      });
      assert.deepEqual(short(await remote.deliver(binary)), [outcome]);
      assert.equal(
        sink.heard.some((line) => line.startsWith("BDAT")),
        script.BDAT !== undefined,
      );
    }
    const { remote, sink } = await world(context, [offering(...extensions)], {
      openBody: async () => ({ ...bodyOf(BINARY, 3), size: 1000 }),
    });
    assert.deepEqual(short(await remote.deliver(binary)), ["deferred 4.3.0"]);
    assert.equal(sink.messages.length, 0);
  }
});

test("connections are used again behind a binary message", async (context) => {
  const { remote, sink } = await world(context, [offering(...BINARY_EHLO)], {
    openBody: async () => bodyOf(BINARY, 3),
  });
  for (let n = 0; n < 2; n++) await remote.deliver(delivery(undefined, { body: "binarymime" }));
  assert.deepEqual([sink.connections, sink.messages.length], [1, 2]);
});

test("a report goes under REQUIRETLS where that can be, and anyway where it cannot", async (context) => {
  const report = { sender: "", requireTls: true } as const;
  const ways: [tls: boolean, mail: string][] = [
    [true, "MAIL FROM:<> REQUIRETLS"],
    [false, "MAIL FROM:<>"],
  ];
  for (const [tls, mail] of ways) {
    const script = offering("8BITMIME", "REQUIRETLS", ...(tls ? ["STARTTLS"] : []));
    const { remote, sink } = await world(context, [script]);
    assert.deepEqual(short(await remote.deliver(delivery(undefined, { ...report, body: "7bit" }))), [
      "delivered",
    ]);
    assert.equal(sink.messages[0]?.mail, mail);
  }
});
