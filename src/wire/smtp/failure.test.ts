import assert from "node:assert/strict";
import test from "node:test";
import { classify, type Failure, failures } from "./failure.ts";

const at = "mx.far.test [192.0.2.1] answered";

/** Mostly as servers of our days say it. */
const rows: readonly (readonly [Failure, string, string])[] = [
  [
    "greylisted",
    "4.2.0",
    `${at} RCPT: 450 4.2.0 <b@far.test>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/`,
  ],
  ["greylisted", "4.0.0", `${at} RCPT: 451 Temporarily deferred by gray-listing, try again later`],
  ["greylisted", "4.7.1", `${at} RCPT: 451 4.7.1 Greylisting in action, please come back later`],
  [
    "reputation",
    "5.7.1",
    `${at} RCPT: 554 5.7.1 Service unavailable; Client host [192.0.2.9] blocked using zen.spamhaus.org`,
  ],
  [
    "reputation",
    "5.7.1",
    `${at} MAIL: 550 5.7.1 Unfortunately, messages from [192.0.2.9] weren't sent. Please contact your provider since part of their network is on our block list (S3150).`,
  ],
  ["reputation", "4.3.2", "mx.far.test [192.0.2.1] greeted with: 421 Your IP has a poor reputation"],
  [
    "rate",
    "4.7.28",
    `${at} DATA: 421 4.7.28 Gmail has detected an unusual rate of unsolicited mail originating from your IP address`,
  ],
  ["rate", "4.7.0", `${at} MAIL: 421 4.7.0 Too many connections from your host`],
  ["rate", "4.0.0", `${at} RCPT: 450 Messages from you are temporarily throttled`],
  ["full", "4.2.2", `${at} RCPT: 452 4.2.2 The recipient's inbox is out of storage space`],
  ["full", "5.2.2", `${at} DATA: 552 5.2.2 Over quota`],
  ["full", "5.0.0", `${at} RCPT: 550 mailbox is full`],
  ["full", "4.3.1", "There is no room for the message now"],
  ["full", "4.0.0", `${at} RCPT: 452 Insufficient system storage`],
  [
    "user",
    "5.1.1",
    `${at} RCPT: 550 5.1.1 <b@far.test>: Recipient address rejected: User unknown in virtual mailbox table`,
  ],
  ["user", "5.1.1", `${at} RCPT: 550 5.1.1 The email account that you tried to reach does not exist`],
  ["user", "5.0.0", `${at} RCPT: 550 No such user here`],
  ["user", "5.0.0", `${at} RCPT: 550 unrouteable address`],
  ["user", "5.1.1", "There is no user <b@here.test> here"],
  ["domain", "5.1.2", "There is no host and no mail exchanger named gone.test"],
  ["domain", "5.1.10", "far.test takes no mail (its MX says so)"],
  ["disabled", "5.2.1", `${at} RCPT: 550 5.2.1 The email account that you tried to reach is inactive`],
  ["disabled", "5.0.0", `${at} RCPT: 550 Mailbox disabled for this recipient`],
  [
    "authentication",
    "5.7.26",
    `${at} DATA: 550 5.7.26 Unauthenticated email from a.test is not accepted due to domain's DMARC policy`,
  ],
  [
    "authentication",
    "5.7.25",
    `${at} DATA: 550 5.7.25 The IP address sending this message does not have a PTR record setup`,
  ],
  ["authentication", "5.7.23", `${at} RCPT: 550 5.7.23 rejected`],
  ["content", "5.7.1", `${at} DATA: 554 5.7.1 Message identified as SPAM`],
  ["content", "5.0.0", `${at} DATA: 550 This message contains a virus`],
  ["relay", "5.7.1", `${at} RCPT: 554 5.7.1 <b@far.test>: Relay access denied`],
  ["relay", "5.0.0", `${at} RCPT: 551 not local`],
  ["sender", "5.1.8", `${at} MAIL: 553 5.1.8 Domain of sender address ann@here.test does not exist`],
  ["sender", "5.1.7", `${at} MAIL: 550 5.1.7 no`],
  ["policy", "5.7.1", `${at} RCPT: 550 5.7.1 Administrative prohibition`],
  ["size", "5.3.4", "The message has 60000000 bytes; mx.far.test takes at most 1000"],
  ["size", "5.0.0", `${at} MAIL: 552 Message exceeds fixed maximum message size`],
  ["form", "5.6.7", "mx.far.test takes no addresses with other than ASCII letters"],
  ["loop", "5.4.6", `${at} DATA: 554 5.4.6 Too many hops`],
  ["loop", "4.4.6", "We are the best mail exchanger for far.test, but it is not one of our domains"],
  ["tls", "4.7.5", "mx.far.test [192.0.2.1] cannot do TLS"],
  ["tls", "5.7.0", `${at} MAIL: 530 5.7.0 Must issue a STARTTLS command first`],
  ["dns", "4.4.3", "DNS does not answer for far.test: timeout"],
  ["dns", "4.4.4", "The smarthost relay.test has no address"],
  ["connection", "4.4.1", "mx.far.test [192.0.2.1]: Cannot connect: ECONNREFUSED"],
  ["connection", "4.4.2", "The connection to mx.far.test [192.0.2.1] broke: the connection was closed"],
  ["connection", "4.0.0", `${at} MAIL: 421 bye`],
  [
    "expired",
    "5.4.7",
    "Connection refused I'm not going to try again; this message has been in the queue too long.",
  ],
  ["server", "4.3.0", `${at} DATA: 451 4.3.0 Internal server error`],
  ["server", "4.0.0", `${at} DATA: 451 Requested action aborted`],
  ["here", "4.3.0", "The message cannot be read from the spool now"],
  ["here", "4.3.0", "The delivery was interrupted"],
  ["protocol", "5.5.2", `${at} MAIL: 500 5.5.2 Syntax error`],
  ["protocol", "5.0.0", `${at} MAIL: 502 what?`],
  ["other", "5.0.0", `${at} RCPT: 550 no`],
  ["other", "4.0.0", ""],
  ["other", "", ""],
];

for (const [failure, code, text] of rows) {
  test(`classify() takes ${code} "${text.slice(-60)}" for ${failure}`, () => {
    assert.equal(classify({ code, text }), failure);
  });
}

test("every class has an example, and long hostile texts take no time", () => {
  assert.deepEqual([...new Set(rows.map(([failure]) => failure))].sort(), Object.keys(failures).sort());
  const started = performance.now();
  for (const piece of ["mailbox ", "sender address ", "too many ", "TLS ", "quota exceed ", "user "])
    classify({ code: "5.0.0", text: piece.repeat(2000 / piece.length) });
  assert.ok(performance.now() - started < 500, `${performance.now() - started} ms`);
});
