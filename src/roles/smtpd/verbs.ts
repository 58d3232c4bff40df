// THE table of SMTP: for each verb what it needs, how its argument is read and what it does. The loop in session.ts answers 503.

import type { Result } from "#base/result.ts";
import { err, ok } from "#base/result.ts";
import { replies } from "#wire/smtp/replies.ts";
import type { Reply } from "#wire/smtp/reply.ts";
import { authenticate, authQuestion } from "./commands/auth.ts";
import { greet, hello } from "./commands/hello.ts";
import { beginTransaction, reversePath } from "./commands/mail.ts";
import { addRecipient, forwardPath } from "./commands/rcpt.ts";
import { type Answer, type Connection, closing } from "./state.ts";

/** Conditions, each with the answer to a command that comes without it. The order rules of RFC 5321 §4.1.4 are these. */
const conditions = {
  greeted: (c) => (c.session.hello ? undefined : replies.helloFirst),
  /** RFC 6409 §4.3. */
  login: (c) => (c.door.class === "mx" || c.session.account ? undefined : replies.authRequired),
  noTransaction: (c) => (c.session.transaction ? replies.oneSender : undefined),
  transaction: (c) => (c.session.transaction ? undefined : replies.mailFirst),
  recipients: (c) => (c.session.transaction?.recipients.size ? undefined : replies.recipientFirst),
  clear: (c) => (c.stream.tls ? replies.alreadyTls : undefined),
  certificate: (c) => (c.door.tls ? undefined : replies.tlsUnavailable),
  submission: (c) => (c.door.class === "submission" ? undefined : replies.authNotHere),
  tls: (c) => (c.stream.tls ? undefined : replies.authNeedsTls),
  noLogin: (c) => (c.session.account ? replies.authTwice : undefined),
  /** RFC 4954 §4. */
  outsideMail: (c) => (c.session.transaction ? replies.authDuringMail : undefined),
} as const satisfies Record<string, (c: Connection) => Reply | undefined>;

type Need = keyof typeof conditions;

interface VerbRow<A> {
  readonly needs: readonly Need[];
  readonly parse: (rest: string, connection: Connection) => Result<A, Reply>;
  readonly run: (connection: Connection, argument: A) => Answer | Promise<Answer>;
}

type Run = (connection: Connection, rest: string) => Answer | Promise<Answer>;

function verb<A>(row: VerbRow<A>): Run {
  const needs = row.needs.map((need) => conditions[need]);
  return (connection, rest) => {
    for (const condition of needs) {
      const missing = condition(connection);
      if (missing) return missing;
    }
    const argument = row.parse(rest, connection);
    return argument.ok ? row.run(connection, argument.value) : argument.error;
  };
}

const nothing = (rest: string): Result<undefined, Reply> =>
  rest === "" ? ok(undefined) : err(replies.noArgument);
const anything = (): Result<undefined, Reply> => ok(undefined);
const something = (rest: string): Result<undefined, Reply> =>
  rest === "" ? err(replies.argumentMissing) : ok(undefined);

const startMail: Answer = { ...replies.startMail, next: "body" };
const startTls: Answer = { ...replies.startTls, next: "starttls" };
const goodbye = closing(replies.closing);
/** A browser that was talked into speaking to a mail port must not get a second word in. */
const notHttp = closing(replies.notHttp);

function reset(connection: Connection): Answer {
  connection.session.transaction = undefined;
  return replies.reset;
}

const http = verb({ needs: [], parse: anything, run: () => notHttp });
const unimplemented = verb({ needs: [], parse: anything, run: () => replies.notImplemented });

export const verbs: ReadonlyMap<string, Run> = new Map(
  Object.entries({
    EHLO: verb({ needs: [], parse: hello, run: (c, name) => greet(c, name, true) }),
    HELO: verb({ needs: [], parse: hello, run: (c, name) => greet(c, name, false) }),
    MAIL: verb({ needs: ["greeted", "login", "noTransaction"], parse: reversePath, run: beginTransaction }),
    RCPT: verb({ needs: ["transaction"], parse: forwardPath, run: addRecipient }),
    DATA: verb({ needs: ["transaction", "recipients"], parse: nothing, run: () => startMail }),
    RSET: verb({ needs: [], parse: nothing, run: reset }),
    NOOP: verb({ needs: [], parse: anything, run: () => replies.ok }),
    QUIT: verb({ needs: [], parse: nothing, run: () => goodbye }),
    VRFY: verb({ needs: [], parse: something, run: () => replies.cannotVerify }),
    HELP: verb({ needs: [], parse: anything, run: () => replies.help }),
    STARTTLS: verb({ needs: ["clear", "certificate"], parse: nothing, run: () => startTls }),
    AUTH: verb({
      needs: ["submission", "greeted", "tls", "noLogin", "outsideMail"],
      parse: authQuestion,
      run: authenticate,
    }),
    EXPN: unimplemented,
    ETRN: unimplemented,
    BDAT: unimplemented,
    GET: http,
    POST: http,
    PUT: http,
    CONNECT: http,
    OPTIONS: http,
  }),
);
