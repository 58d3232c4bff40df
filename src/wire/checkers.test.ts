import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { everySplit } from "#test/support/everysplit.ts";
import { formatChunkHead, formatInstream, formatPing, parseScanAnswer, ScanAnswerReader } from "./clamav.ts";
import { formatChunkSize, formatRequest, ResponseReader } from "./http.ts";
import { parseSpamAnswer } from "./rspamd.ts";

const MOST = 2000;

function scanAnswers(chunks: readonly Buffer[]): readonly string[] {
  const reader = new ScanAnswerReader(50);
  const found: string[] = [];
  for (const chunk of chunks) {
    reader.feed(chunk);
    for (let text = reader.next(); text !== undefined; text = reader.next()) found.push(text);
  }
  return reader.flaw === undefined ? found : [...found, `flaw: ${reader.flaw}`];
}

test("clamd: commands and answers", () => {
  assert.equal(formatPing().toString("latin1"), "zPING\0");
  assert.equal(formatInstream().toString("latin1"), "zINSTREAM\0");
  assert.deepEqual([...formatChunkHead(258)], [0, 0, 1, 2]);
  assert.deepEqual(everySplit(Buffer.from("stream: OK\0PONG\0rest"), scanAnswers), ["stream: OK", "PONG"]);
  assert.deepEqual(scanAnswers([Buffer.alloc(51, "x")]), ["flaw: an answer that is too long"]);
  const rows: readonly (readonly [text: string, wanted: unknown])[] = [
    ["PONG", { kind: "pong" }],
    ["stream: OK", { kind: "clean" }],
    ["stream: Win.Test.EICAR_HDB-1 FOUND", { kind: "found", signature: "Win.Test.EICAR_HDB-1" }],
    ["stream: A FOUND B FOUND", { kind: "found", signature: "A FOUND B" }],
    ["INSTREAM size limit exceeded. ERROR", "INSTREAM size limit exceeded."],
    ["UNKNOWN COMMAND", "UNKNOWN COMMAND"],
    ["stream: OK ", "stream: OK"],
    ["", "an empty answer"],
  ];
  for (const [text, wanted] of rows) {
    const answer = parseScanAnswer(text);
    assert.deepEqual(answer.ok ? answer.value : answer.error, wanted, text);
  }
});

test("HTTP requests hold what they are given, and nothing more", () => {
  const made = formatRequest("POST", "/checkv2", {
    Host: "h",
    Rcpt: ["a@b", "c\u00e4@d"],
    User: undefined,
    Helo: "x\r\nEvil: yes\0",
  });
  assert.equal(
    made.toString("utf8"),
    "POST /checkv2 HTTP/1.1\r\nHost: h\r\nRcpt: a@b\r\nRcpt: c\u00e4@d\r\nHelo: x Evil: yes\r\n\r\n",
  );
  assert.equal(formatChunkSize(255), "ff\r\n");
});

function response(chunks: readonly Buffer[], closed = false): string {
  const reader = new ResponseReader(MOST);
  let found = reader.next();
  for (const chunk of chunks) {
    reader.feed(chunk);
    found ??= reader.next();
  }
  if (closed) reader.end();
  found ??= reader.next();
  if (reader.flaw !== undefined) return `flaw: ${reader.flaw}`;
  return found ? `${found.status} ${found.body.toString("latin1")}` : "incomplete";
}

test("HTTP responses are the same however they are cut", () => {
  const rows: readonly (readonly [text: string, wanted: string])[] = [
    ["HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabcd", "200 abc"],
    ["HTTP/1.0 404 Not Found\r\ncontent-length : 0\r\nContent-Length:0\r\n\r\n", "404 "],
    ["HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", "200 x"],
    [
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n3\r\nabc\r\n0A;x=y\r\n0123456789\r\n0\r\n\r\n",
      "200 abc0123456789",
    ],
    ["HTTP/1.1 200 OK\r\n\r\nall there is", "200 all there is"],
    ["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "incomplete"],
    ["HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "flaw: a response of no length"],
    ["HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", 'flaw: a response in the coding "gzip"'],
    ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "flaw: a chunk of no size"],
    ["SMTP 220\r\n\r\n", "flaw: what is no HTTP response"],
    ["", "incomplete"],
  ];
  for (const [text, wanted] of rows)
    assert.equal(
      everySplit(Buffer.from(text), (chunks) => response(chunks, true)),
      wanted,
      text,
    );
  assert.equal(response([Buffer.from("HTTP/1.1 200 OK\r\n\r\nmore to come")]), "incomplete");
  assert.equal(response([Buffer.alloc(MOST + 1, "x")]), "flaw: a response that is too large");
});

test("rspamd's answers", () => {
  const parse = (value: unknown) => {
    const answer = parseSpamAnswer(Buffer.from(typeof value === "string" ? value : JSON.stringify(value)));
    return answer.ok ? answer.value : answer.error;
  };
  const bare = { score: 0, required: undefined, symbols: [], message: "", fields: [] };
  assert.deepEqual(parse({ action: "no action" }), { ...bare, action: "no action" });
  assert.deepEqual(
    parse({
      is_skipped: false,
      action: "add header",
      score: 7.5,
      required_score: 15,
      symbols: { LOW: { name: "LOW", score: -0.1 }, HIGH: { score: 7.6, options: ["x"] }, ODD: 3 },
      messages: { smtp_message: "Try again later" },
      milter: {
        add_headers: {
          "X-A": "1",
          "X-B": { value: "2", order: 1 },
          "X-C": ["3", { value: "4" }],
          "bad name": "5",
          "X-D": 6,
        },
      },
    }),
    {
      action: "add header",
      score: 7.5,
      required: 15,
      symbols: ["HIGH(7.60)", "LOW(-0.10)", "ODD(0.00)"],
      message: "Try again later",
      fields: [
        ["X-A", "1"],
        ["X-B", "2"],
        ["X-C", "3"],
        ["X-C", "4"],
      ],
    },
  );
  assert.match(String(parse("<html>")), /^an answer that cannot be read: not JSON$/);
  assert.match(String(parse({ error: "no" })), /"value.action" is not text/);
  assert.deepEqual(parse({ action: "reject", symbols: [], messages: 5, milter: null, score: "x" }), {
    ...bare,
    action: "reject",
  });
});

test("garbage is a value", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.json(), (garbage, json) => {
      const bytes = Buffer.from(garbage);
      scanAnswers([bytes]);
      parseScanAnswer(bytes.toString("latin1"));
      response([bytes], true);
      response([Buffer.from("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), bytes], true);
      parseSpamAnswer(bytes);
      parseSpamAnswer(Buffer.from(json));
    }),
  );
});
