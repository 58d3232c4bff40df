import assert from "node:assert/strict";
import test from "node:test";
import { formatAddress, formatMail, formatRcpt, harmlessAddress } from "./request.ts";

const rows: [address: string, formatted: string | undefined][] = [
  ["", ""],
  ["ann@example.org", "ann@example.org"],
  ["a.b+c@EXAMPLE.org", "a.b+c@example.org"],
  ["two words@example.org", '"two words"@example.org'],
  [".dot@example.org", '".dot"@example.org'],
  ["a..b@example.org", '"a..b"@example.org'],
  ["@example.org", '""@example.org'],
  ['quo"te\\@example.org', '"quo\\"te\\\\"@example.org'],
  ['"two words"@example.org', '"two words"@example.org'],
  ['"open@example.org', '"\\"open"@example.org'],
  ["a@b@example.org", '"a@b"@example.org'],
  ["a>b@example.org", '"a>b"@example.org'],
  ["jürg@exämple.org", "jürg@exämple.org"],
  ["ann@[192.0.2.1]", "ann@[192.0.2.1]"],
  ["ann@[IPv6:2001:db8::1]", "ann@[ipv6:2001:db8::1]"],
  ["postmaster", "postmaster"],
  ["ann@exa mple.org", undefined],
  ["ann@example.org> SIZE=1", undefined],
  ["ann\r\nRCPT TO:<x>@example.org", undefined],
  ["ann\0@example.org", undefined],
];

test("an address becomes a path that cannot be misread", () => {
  for (const [address, formatted] of rows) {
    const result = formatAddress(address);
    assert.equal(result.ok ? result.value : undefined, formatted, JSON.stringify(address));
  }
});

test("in a header field, what cannot be written is made harmless", () => {
  assert.equal(harmlessAddress("a\nb@example.org"), "a_b@example.org");
  assert.equal(harmlessAddress("a@b c"), "a@b c");
});

test("commands carry the parameters that were asked for", () => {
  assert.equal(formatMail("", {}), "MAIL FROM:<>\r\n");
  assert.equal(
    formatMail("a@b", { size: 7, body: "8BITMIME", utf8: true }),
    "MAIL FROM:<a@b> SIZE=7 BODY=8BITMIME SMTPUTF8\r\n",
  );
  assert.equal(
    formatMail("a@b", {
      ret: "full",
      envid: "x+y",
      by: { seconds: -5, mode: "notify", trace: false },
      priority: 0,
    }),
    "MAIL FROM:<a@b> RET=FULL ENVID=x+2By BY=-5;N MT-PRIORITY=0\r\n",
  );
  assert.equal(formatRcpt("a@b"), "RCPT TO:<a@b>\r\n");
  assert.equal(
    formatMail("a@b", { body: "BINARYMIME", requireTls: true, envid: "+".repeat(50) }),
    "MAIL FROM:<a@b> BODY=BINARYMIME REQUIRETLS\r\n",
  );
  assert.equal(formatRcpt("a@b", { original: `utf-8;${"\u00fc".repeat(90)}` }), "RCPT TO:<a@b>\r\n");
  assert.equal(
    formatRcpt("a@b", { notify: ["failure"], original: "rfc822;x y@z" }),
    "RCPT TO:<a@b> NOTIFY=FAILURE ORCPT=rfc822;x+20y@z\r\n",
  );
});
