// Records of sessions as the ledger writes them, for tests.

/** Of a session that brought one message, which was taken. */
export const taken = {
  confirmed: true,
  domain: "",
  verdict: "accepted",
  messages: 1,
  accepted: 1,
  unknown: 0,
  traps: 0,
  refusals: 0,
  refused: [],
} as const;

/** A session of a client with a name that was taken, with changes. */
export const sessionRecord = (more: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify({
    id: "s1-1",
    at: Date.now() - 3_600_000,
    ip: "192.0.2.10",
    name: "mail.shop.test",
    hello: "mail.shop.test",
    time: "",
    ...taken,
    ms: 5,
    sender: "info@shop.test",
    recipients: [{ address: "ann@a.test", reply: "250 2.1.5 OK" }],
    stages: [
      {
        stage: "connect",
        rules: [
          { rule: "access", mode: "enforce", verdict: "accept", evidence: "", ms: 0 },
          { rule: "client-name", mode: "enforce", verdict: "accept", evidence: "mail.shop.test", ms: 1 },
        ],
      },
      {
        stage: "sender",
        rules: [
          { rule: "hello-unresolvable", mode: "enforce", verdict: "accept", evidence: "192.0.2.10", ms: 0 },
          { rule: "sender-domain", mode: "enforce", verdict: "accept", evidence: "mail.shop.test", ms: 0 },
          { rule: "spf", mode: "enforce", verdict: "accept", evidence: "none", ms: 0 },
        ],
      },
    ],
    ...more,
  });
