import assert from "node:assert/strict";
import test from "node:test";
import { FakeClock } from "#test/support/clock.ts";
import type { Connection } from "./state.ts";
import { Witness } from "./witness.ts";

const taken = { code: 250, wire: "250 2.1.5 OK\r\n" };

test("a record has the sender of the last transaction, and that of an earlier one with its recipients", async () => {
  const witness = new Witness(0);
  witness.sender("x@one.test");
  witness.recipient("a@a.test", taken);
  witness.message("m-1");
  witness.sender("");
  witness.recipient("b@a.test", taken);
  witness.sender("x@two.test");
  witness.recipient("c@a.test", taken);
  witness.message("m-2");
  const judge = {
    isOurselves: false,
    identity: async () => ({ name: "", hello: "c.test", confirmed: false, domain: "" }),
    record: async () => [],
  };
  const connection = { id: "s1", client: { address: "192.0.2.7" }, judge, clock: new FakeClock() };
  const record = await witness.record(connection as unknown as Connection);
  assert.deepEqual(
    [record?.sender, record?.mail, record?.recipients],
    [
      "x@two.test",
      ["m-1", "m-2"],
      [
        { address: "a@a.test", reply: "250 2.1.5 OK", from: "x@one.test" },
        { address: "b@a.test", reply: "250 2.1.5 OK", from: "" },
        { address: "c@a.test", reply: "250 2.1.5 OK" },
      ],
    ],
  );
});
