// The ids of the session rules, so that kenro.toml can be checked before anything starts. src/policy/stages.ts has the rules themselves; its
// test compares the two.

export const ruleIds = [
  "access",
  "exception",
  "ban",
  "early-talker",
  "client-name",
  "dnsbl",
  "hello-own",
  "hello-address",
  "hello-listed",
  "sender-listed",
  "sender-only",
  "hello-listed-unknown",
  "hello-dotless",
  "hello-unresolvable",
  "client-dynamic",
  "sender-domain",
  "spf",
  "sender-ours",
  "recipient-listed",
  "bounce-many",
  "guesses",
  "score",
  "greylist",
] as const;
