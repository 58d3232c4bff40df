// THE table of SMTP: for each verb what it needs, how its argument is read and what it does. The loop in session.ts answers 503.

import { limits } from "#base/limits.ts";
import type { Result } from "#base/result.ts";
import { err, ok } from "#base/result.ts";
import { help, replies } from "#wire/smtp/replies.ts";
import type { Reply } from "#wire/smtp/reply.ts";
import { authenticate, authQuestion } from "./commands/auth.ts";
import { chunkHead, dataRefusal, hasBegun, startBody, startChunk } from "./commands/data.ts";
import { greet, hello } from "./commands/hello.ts";
import { beginTransaction, reversePath } from "./commands/mail.ts";
import { addRecipient, forwardPath } from "./commands/rcpt.ts";
import { verified } from "./commands/verify.ts";
import { claims, speakFor } from "./commands/xclient.ts";
import { offers } from "./extensions.ts";
import { type Answer, type Chunk, type Connection, closing, endTransaction } from "./state.ts";

/** Conditions, each with the answer to a command that comes without it. The order rules of RFC 5321 §4.1.4 are these. */
const conditions = {
  greeted: (c) => (c.session.hello ? undefined : replies.helloFirst),
  /** RFC 6409 §4.3. */
  login: (c) => (c.door.class !== "submission" || c.session.account ? undefined : replies.authRequired),
  noTransaction: (c) => (c.session.transaction ? replies.oneSender : undefined),
  transaction: (c) => (c.session.transaction ? undefined : replies.mailFirst),
  recipients: (c) => (c.session.transaction?.recipients.size ? undefined : replies.recipientFirst),
  notBegun: ({ session }) => (hasBegun(session.transaction) ? replies.recipientsOver : undefined),
  byData: dataRefusal,
  clear: (c) => (c.stream.tls ? replies.alreadyTls : undefined),
  certificate: (c) => (c.door.tls ? undefined : replies.tlsUnavailable),
  submission: (c) => (c.door.class === "submission" ? undefined : replies.authNotHere),
  tls: (c) => (c.stream.tls ? undefined : replies.authNeedsTls),
  noLogin: (c) => (c.session.account ? replies.authTwice : undefined),
  /** RFC 4954 §4. */
  outsideMail: (c) => (c.session.transaction ? replies.authDuringMail : undefined),
  proxy: (c) => (offers(c, "XCLIENT") ? undefined : replies.xclientDenied),
  betweenMails: (c) => (c.session.transaction ? replies.xclientDuringMail : undefined),
} as const satisfies Record<string, (c: Connection) => Reply | undefined>;

type Need = keyof typeof conditions;

interface VerbRow<A> {
  readonly needs: readonly Need[];
  readonly parse: (rest: string, connection: Connection) => Result<A, Reply>;
  readonly run: (connection: Connection, argument: A) => Answer | Promise<Answer>;
  /** Sends no mail: a client gets a number of these between two messages (Postfix's smtpd_junk_command_limit). */
  readonly junk?: (connection: Connection) => boolean;
}

type Run = (connection: Connection, rest: string) => Answer | Chunk | Promise<Answer>;

/** The first condition that does not hold, as its reply. */
function missing(connection: Connection, needs: readonly Need[]): Reply | undefined {
  for (const need of needs) {
    const reply = conditions[need](connection);
    if (reply) return reply;
  }
  return undefined;
}

function verb<A>({ needs, parse, run, junk }: VerbRow<A>): Run {
  return (connection, rest) => {
    if (junk?.(connection) && tooMuchJunk(connection)) return closing(replies.tooMuchJunk);
    const unmet = missing(connection, needs);
    if (unmet) return unmet;
    const argument = parse(rest, connection);
    return argument.ok ? run(connection, argument.value) : argument.error;
  };
}

const tooMuchJunk = (connection: Connection): boolean => ++connection.junk > limits.smtp.junk;
const always = () => true;

/** BDAT: whatever is wrong, its octets come; so its size is read before the order of commands is judged. */
const chunk: Run = (connection, rest) => {
  const head = chunkHead(rest);
  if (!head.ok) return head.error;
  const { octets, last } = head.value;
  if (octets === 0 && !last && tooMuchJunk(connection)) return closing(replies.tooMuchJunk);
  return startChunk(connection, head.value, missing(connection, ["transaction", "recipients"]));
};

const nothing = (rest: string): Result<undefined, Reply> =>
  rest === "" ? ok(undefined) : err(replies.noArgument);
const anything = (): Result<undefined, Reply> => ok(undefined);

const startTls: Answer = { ...replies.startTls, next: "starttls" };
const goodbye = closing(replies.closing);
/** A browser that was talked into speaking to a mail port must not get a second word in. */
const notHttp = closing(replies.notHttp);

function reset(connection: Connection): Answer {
  endTransaction(connection.session);
  return replies.reset;
}

const http = verb({ needs: [], parse: anything, run: () => notHttp });
const unimplemented = verb({ needs: [], parse: anything, run: () => replies.notImplemented });

export const verbs: ReadonlyMap<string, Run> = new Map(
  Object.entries({
    EHLO: verb({ needs: [], parse: hello, run: (c, name) => greet(c, name, true), junk: always }),
    HELO: verb({ needs: [], parse: hello, run: (c, name) => greet(c, name, false), junk: always }),
    MAIL: verb({ needs: ["greeted", "login", "noTransaction"], parse: reversePath, run: beginTransaction }),
    RCPT: verb({ needs: ["transaction", "notBegun"], parse: forwardPath, run: addRecipient }),
    DATA: verb({ needs: ["transaction", "recipients", "byData"], parse: nothing, run: startBody }),
    BDAT: chunk,
    // one that ends a transaction is bounded with the transactions
    RSET: verb({ needs: [], parse: nothing, run: reset, junk: (c) => !c.session.transaction }),
    NOOP: verb({ needs: [], parse: anything, run: () => replies.ok, junk: always }),
    QUIT: verb({ needs: [], parse: nothing, run: () => goodbye }),
    VRFY: verb({ needs: [], parse: verified, run: () => replies.cannotVerify, junk: always }),
    HELP: verb({ needs: [], parse: anything, run: (c) => help(verbsFor(c)), junk: always }),
    STARTTLS: verb({ needs: ["clear", "certificate"], parse: nothing, run: () => startTls }),
    AUTH: verb({
      needs: ["submission", "greeted", "tls", "noLogin", "outsideMail"],
      parse: authQuestion,
      run: authenticate,
    }),
    XCLIENT: verb({ needs: ["proxy", "betweenMails"], parse: claims, run: speakFor, junk: always }),
    EXPN: unimplemented,
    ETRN: unimplemented,
    GET: http,
    POST: http,
    PUT: http,
    CONNECT: http,
    OPTIONS: http,
  } satisfies Record<string, Run>),
);

const helped = "EHLO HELO MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY HELP".split(" ");
const helpedWhereOffered = ["STARTTLS", "AUTH", "XCLIENT"] as const;

/** The verbs that HELP tells a client of. */
const verbsFor = (connection: Connection): readonly string[] => [
  ...helped,
  ...helpedWhereOffered.filter((each) => offers(connection, each)),
];
