import assert from "node:assert/strict";
import test from "node:test";
import { systemClock } from "#base/clock.ts";
import type { Delivery } from "#talk/deliver.ts";
import { BODY, bodyOf, delivery, short, textOf, world } from "#test/support/remoteworld.ts";

const NOW = 1_800_000_000_000;
const clock = { ...systemClock, now: () => NOW };
const offering = (...extensions: readonly string[]) => ({
  EHLO: ["250-sink.example", ...extensions.map((each) => `250-${each}`), "250 HELP"],
});

const wishes: Partial<Delivery> = {
  body: "7bit",
  ret: "headers",
  envid: "a b=c",
  priority: -3,
  deliverBy: { time: NOW + 120_000, mode: "notify", trace: true },
  recipients: [
    { index: 0, address: "ann@d.test", notify: ["success", "delay"], original: "rfc822;ann+x@old.test" },
    { index: 1, address: "bob@d.test", notify: [] },
    { index: 2, address: "cid@d.test", original: "utf-8;c\u00efd@old.test" },
  ],
};

test("what the sender asked for is handed on to a server that offers it, and only then", async (context) => {
  const rows: readonly [extensions: readonly string[], lines: readonly string[]][] = [
    [
      ["DSN", "DELIVERBY 60", "MT-PRIORITY MIXER", "SMTPUTF8"],
      [
        "MAIL FROM:<sam@sender.test> RET=HDRS ENVID=a+20b+3Dc BY=120;NT MT-PRIORITY=-3",
        "RCPT TO:<ann@d.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;ann+2Bx@old.test",
        "RCPT TO:<bob@d.test> NOTIFY=NEVER",
        "RCPT TO:<cid@d.test> ORCPT=utf-8;c\xc3\xafd@old.test",
      ],
    ],
    [
      ["DSN"],
      [
        "MAIL FROM:<sam@sender.test> RET=HDRS ENVID=a+20b+3Dc",
        "RCPT TO:<ann@d.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;ann+2Bx@old.test",
        "RCPT TO:<bob@d.test> NOTIFY=NEVER",
        "RCPT TO:<cid@d.test> ORCPT=utf-8;c\\x{EF}d@old.test",
      ],
    ],
    [
      [],
      ["MAIL FROM:<sam@sender.test>", "RCPT TO:<ann@d.test>", "RCPT TO:<bob@d.test>", "RCPT TO:<cid@d.test>"],
    ],
  ];
  for (const [extensions, lines] of rows) {
    const { remote, sink } = await world(context, [offering(...extensions)], { clock });
    const done = await remote.deliver(delivery(undefined, wishes));
    const told = extensions.includes("DSN") || undefined;
    for (const { outcome } of done.outcomes)
      assert.deepEqual(outcome.kind === "delivered" && [outcome.handedOn], [told]);
    const [message] = sink.messages;
    assert.deepEqual([message?.mail, ...(message?.rcpts ?? [])], lines);
  }
});

test("mail that must come back in time goes only to servers that promise it", async (context) => {
  const by = (seconds: number): Partial<Delivery> => ({
    body: "7bit",
    deliverBy: { time: NOW + seconds * 1000, mode: "return" },
  });
  const rows: readonly [extensions: readonly string[], seconds: number, outcome: string, mail?: string][] = [
    [[], 600, "failed 5.3.3"],
    [["DELIVERBY"], 600, "delivered", "MAIL FROM:<sam@sender.test> BY=600;R"],
    [["DELIVERBY 900"], 600, "failed 5.4.7"],
    [["DELIVERBY"], -1, "failed 5.4.7"],
  ];
  for (const [extensions, seconds, outcome, mail] of rows) {
    const { remote, sink } = await world(context, [offering(...extensions)], { clock });
    assert.deepEqual(short(await remote.deliver(delivery(undefined, by(seconds)))), [outcome]);
    assert.equal(sink.messages[0]?.mail, mail);
  }
});

test("SMTPUTF8 is asked for only where a letter needs it; domains do without", async (context) => {
  const utf8Header = "Subject: Gr\u00fc\u00dfe\r\n\r\nx\r\n";
  const utf8Body = "Subject: x\r\n\r\nGr\u00fc\u00dfe\r\n";
  interface Row {
    readonly what: string;
    readonly offers: readonly string[];
    readonly text?: string;
    readonly over: Partial<Delivery>;
    readonly outcome: string;
    readonly mail?: string;
    readonly rcpt?: string;
  }
  const rows: readonly Row[] = [
    {
      what: "nothing needs it",
      offers: ["SMTPUTF8"],
      over: { utf8: true },
      outcome: "delivered",
      mail: "MAIL FROM:<sam@sender.test>",
    },
    {
      what: "nothing needs it, and it is not offered",
      offers: [],
      text: utf8Body,
      over: { utf8: true },
      outcome: "delivered",
      mail: "MAIL FROM:<sam@sender.test>",
    },
    {
      what: "the header needs it",
      offers: ["SMTPUTF8"],
      text: utf8Header,
      over: { utf8: true },
      outcome: "delivered",
      mail: "MAIL FROM:<sam@sender.test> SMTPUTF8",
    },
    { what: "not offered", offers: [], text: utf8Header, over: { utf8: true }, outcome: "failed 5.6.7" },
    {
      what: "a local part needs it",
      offers: [],
      over: { recipients: [{ index: 0, address: "j\u00fcrg@d.test" }] },
      outcome: "failed 5.6.7",
    },
    {
      what: "the sender's local part",
      offers: [],
      over: { sender: "j\u00fcrg@sender.test" },
      outcome: "failed 5.6.7",
    },
    {
      what: "domains only",
      offers: [],
      over: { sender: "sam@b\u00fccher.test", recipients: [{ index: 0, address: "ann@b\u00fccher.test" }] },
      outcome: "delivered",
      mail: "MAIL FROM:<sam@xn--bcher-kva.test>",
      rcpt: "RCPT TO:<ann@xn--bcher-kva.test>",
    },
  ];
  for (const { what, offers, text = BODY, over, outcome, mail, rcpt } of rows) {
    for (const parts of [0, 3]) {
      const openBody = async () => bodyOf(Buffer.from(text).toString("latin1"), parts);
      const { remote, sink } = await world(context, [offering(...offers)], { openBody });
      const done = await remote.deliver(delivery(undefined, { body: "7bit", ...over }));
      assert.deepEqual(short(done), [outcome], what);
      assert.equal(sink.messages[0]?.mail, mail, what);
      if (rcpt) assert.deepEqual(sink.messages[0]?.rcpts, [rcpt], what);
    }
  }
});

test("a server's own limits are kept: recipients of one transaction, transactions of one connection", async (context) => {
  const { remote, sink } = await world(context, [offering("PIPELINING", "LIMITS RCPTMAX=2 MAILMAX=2")]);
  const names = ["a@d.test", "b@d.test", "c@d.test", "d@d.test", "e@d.test"];
  assert.deepEqual(
    short(await remote.deliver(delivery(names))),
    names.map(() => "delivered"),
  );
  assert.deepEqual(
    sink.messages.map(({ rcpts }) => rcpts.length),
    [2, 2, 1],
  );
  assert.equal(sink.connections, 2);
});

test("mail under REQUIRETLS goes to no server that is not proven", async (context) => {
  const { remote, sink } = await world(context, [offering("REQUIRETLS")]);
  const done = await remote.deliver(delivery(undefined, { requireTls: true }));
  assert.deepEqual(short(done), ["failed 5.7.30"]);
  assert.match(textOf(done), /REQUIRETLS/);
  assert.equal(sink.connections, 0);
});

test("a body that cannot be read while its header is looked at defers everybody", async (context) => {
  const openBody = async () => ({
    ...bodyOf(BODY, 3),
    // biome-ignore lint/correctness/useYield: it fails at once
    async *chunks(): AsyncGenerator<Buffer> {
      throw new Error("EIO");
    },
  });
  const { remote } = await world(context, [offering()], { openBody });
  assert.deepEqual(short(await remote.deliver(delivery(undefined, { utf8: true }))), ["deferred 4.3.0"]);
});
