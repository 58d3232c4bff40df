import assert from "node:assert/strict";
import test from "node:test";
import { limits } from "#base/limits.ts";
import type { InjectHead, InjectResult, Intake } from "#talk/inject.ts";
import { onlyReports } from "./reports.ts";

const head = (over: Partial<InjectHead["envelope"]> = {}): InjectHead => ({
  id: "p-1",
  session: "tls-report",
  envelope: {
    sender: "reports@a.test",
    body: "7bit",
    submitted: false,
    recipients: [{ address: "x@d.test", notify: [] }],
    ...over,
  },
});

test("tlspolicy puts reports into the queue, and nothing else", async () => {
  const taken: string[] = [];
  const intake: Intake = {
    prefix: () => "p",
    trouble: () => {},
    begin: ({ id }) => ({
      write: () => undefined,
      commit: async (): Promise<InjectResult> => {
        taken.push(id);
        return { kind: "queued", id };
      },
      abort: () => {},
    }),
  };
  let reporter = "reports@a.test";
  const only = onlyReports(intake, () => reporter);
  const many = Array.from({ length: 6 }, (_, at) => ({ address: `x${at}@d.test`, notify: [] }));
  const rows: readonly [what: string, over: Partial<InjectHead["envelope"]>][] = [
    ["another sender", { sender: "ann@a.test" }],
    ["no sender", { sender: "" }],
    ["as a user's", { submitted: true }],
    ["many recipients", { recipients: many }],
    ["who are to hear of it", { recipients: [{ address: "x@d.test" }] }],
    ["with wishes", { requireTls: true }],
    ["urgent", { priority: 9 }],
  ];
  for (const [what, over] of rows) assert.ok("kind" in only.begin(head(over)), what);
  const run = async (bytes: number, fields = "") => {
    const draft = only.begin(head());
    assert.ok(!("kind" in draft));
    for (let left = bytes; left > 0; left -= 65_536) draft.write(Buffer.alloc(Math.min(left, 65_536)));
    return (await draft.commit(fields)).kind;
  };
  assert.equal(await run(1000), "queued");
  assert.equal(await run(limits.tlsrpt.message), "queued");
  assert.equal(await run(limits.tlsrpt.message + 1), "refused");
  assert.equal(await run(1, "Received: x\r\n"), "refused");
  assert.equal(taken.length, 2);
  reporter = "";
  assert.ok("kind" in only.begin(head()));
  assert.ok("kind" in only.begin(head({ sender: "" })));
});
