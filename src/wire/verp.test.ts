import assert from "node:assert/strict";
import test from "node:test";
import { isVerp, reportTo, senderFor } from "./verp.ts";

test("a VERP sender becomes one sender for each recipient, and gets our own reports without it", () => {
  const rows: [sender: string, recipient: string, wire: string, report: string][] = [
    ["list-@here.test-@[]", "ann@far.test", "list-ann=far.test@here.test", "list-@here.test"],
    ["list-@here.test-@[]", '"a@b"@far.test', 'list-"a@b"=far.test@here.test', "list-@here.test"],
    ["list-@here.test-@[]", "postmaster", "list-@here.test", "list-@here.test"],
    ["ann@here.test", "bob@far.test", "ann@here.test", "ann@here.test"],
    ["#@[]", "bob@far.test", "#@[]", "#@[]"],
    ["-@[]", "bob@far.test", "-@[]", "-@[]"],
    ["", "bob@far.test", "", ""],
  ];
  for (const [sender, recipient, wire, report] of rows) {
    assert.equal(senderFor(sender, recipient), wire);
    assert.equal(reportTo(sender), report);
    assert.equal(isVerp(sender), sender.startsWith("list-"));
  }
});
