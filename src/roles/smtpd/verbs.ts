// THE table of SMTP commands: what each needs, and what it does. The loop in session.ts answers 503 and "unknown", writes, counts and logs.

import { limits } from "#base/limits.ts";
import { parsePath } from "#wire/smtp/path.ts";
import { type Reply, replies } from "#wire/smtp/reply.ts";
import { authenticate } from "./auth.ts";
import type { Connection, Session, Transaction } from "./state.ts";

type Need = "hello" | "noTransaction" | "transaction" | "recipients" | "auth";

export interface Verb {
  readonly needs: readonly Need[];
  /** The text behind the verb, its first space left out. */
  readonly run: (connection: Connection, text: string) => Reply | Promise<Reply>;
}

/** The order rules of RFC 5321 §4.1.4; undefined when the need is met. */
export const unmet: Readonly<Record<Need, (connection: Connection) => Reply | undefined>> = {
  hello: ({ session }) => (session ? undefined : replies.noHello),
  noTransaction: ({ session }) => (session?.transaction ? replies.nested : undefined),
  transaction: ({ session }) => (session?.transaction ? undefined : replies.noMail),
  recipients: ({ session }) => (session?.transaction?.recipients.length ? undefined : replies.noRecipients),
  // RFC 6409 §4.3: a submission server may require authentication
  auth: ({ settings, account }) => (settings.class === "mx" || account ? undefined : replies.needAuth),
};

const HELO = /^[A-Za-z0-9.:[\]_-]{1,255}$/;

function hello(connection: Connection, text: string, extended: boolean): Reply {
  const helo = text.trim();
  if (!HELO.test(helo)) return replies.syntax("give your host name");
  connection.session = { helo, extended, transaction: undefined };
  const { hostname } = connection.settings;
  if (!extended) return { code: 250, lines: [hostname] };
  return { code: 250, lines: [hostname, ...extensions(connection)] };
}

function extensions({ settings, stream, account }: Connection): readonly string[] {
  const offered = ["PIPELINING", `SIZE ${settings.maxSize}`, "8BITMIME", "ENHANCEDSTATUSCODES"];
  if (settings.tls && !stream.tls) offered.push("STARTTLS");
  if (settings.class === "submission" && stream.tls && !account) offered.push("AUTH PLAIN LOGIN");
  return offered;
}

/** What is wrong with the parameters of MAIL, if anything. */
function mailProblem(parameters: ReadonlyMap<string, string>, maxSize: number): Reply | undefined {
  for (const name of parameters.keys()) {
    if (name !== "SIZE" && name !== "BODY" && name !== "AUTH") return replies.unknownParameter(name);
  }
  const size = parameters.get("SIZE") ?? "0";
  if (!/^\d{1,20}$/.test(size)) return replies.syntax("SIZE is a number");
  // RFC 1870 §6.1
  if (Number(size) > maxSize) return replies.tooLarge(maxSize);
  const body = (parameters.get("BODY") ?? "7BIT").toUpperCase();
  return body === "7BIT" || body === "8BITMIME" ? undefined : replies.unknownParameter(`BODY=${body}`);
}

/** An account sends from its own addresses, whatever the case, and from the null sender (read receipts: RFC 8098 §3). */
const maySend = (addresses: readonly string[], sender: string): boolean =>
  sender === "" || addresses.some((own) => own.toLowerCase() === sender.toLowerCase());

function mail({ session, settings, account }: Connection, text: string): Reply {
  const given = /^FROM:(.*)$/is.exec(text)?.[1];
  if (given === undefined) return replies.syntax("say MAIL FROM:<address>");
  const path = parsePath(given, "reverse");
  if (!path.ok) return replies.badSender(path.error);
  const { address, parameters } = path.value;
  const problem = mailProblem(parameters, settings.maxSize);
  if (problem) return problem;
  const body = (parameters.get("BODY") ?? "7BIT").toUpperCase();
  if (account && !maySend(account.addresses, address)) return replies.senderNotYours;
  if (session) {
    session.transaction = {
      sender: address,
      recipients: [],
      body: body === "7BIT" ? "7bit" : "8bitmime",
    } satisfies Transaction;
  }
  return replies.sender;
}

async function rcpt({ session, settings, account, others }: Connection, text: string): Promise<Reply> {
  const given = /^TO:(.*)$/is.exec(text)?.[1];
  if (given === undefined) return replies.syntax("say RCPT TO:<address>");
  const path = parsePath(given, "forward");
  if (!path.ok) return replies.badRecipient(path.error);
  const { address, parameters } = path.value;
  for (const name of parameters.keys()) return replies.unknownParameter(name);
  const transaction = session?.transaction as Transaction;
  if (transaction.recipients.length >= settings.maxRecipients) return replies.tooManyRecipients;
  const full = address === "postmaster" ? `postmaster@${settings.hostname}` : address;
  const known = await others.recipient(full).catch(() => undefined);
  if (!known) return replies.lookupAway;
  // RFC 5321 §4.5.1: <Postmaster> always arrives; auth knows whose it is
  if (known.kind === "unknown") return replies.unknownUser(address);
  if (known.kind === "elsewhere" && !account && address !== "postmaster") return replies.notOurs(address);
  if (!transaction.recipients.includes(full)) transaction.recipients.push(full);
  return replies.recipient;
}

const reset = (session: Session | undefined): Reply => {
  if (session) session.transaction = undefined;
  return replies.ok;
};

export const verbs: Readonly<Record<string, Verb>> = {
  EHLO: { needs: [], run: (connection, text) => hello(connection, text, true) },
  HELO: { needs: [], run: (connection, text) => hello(connection, text, false) },
  MAIL: { needs: ["hello", "auth", "noTransaction"], run: mail },
  RCPT: { needs: ["hello", "transaction"], run: rcpt },
  DATA: {
    needs: ["hello", "transaction", "recipients"],
    run: (connection) =>
      connection.messages >= limits.smtp.transactionsPerConnection
        ? replies.tooManyMessages
        : replies.goAhead,
  },
  RSET: { needs: [], run: ({ session }) => reset(session) },
  NOOP: { needs: [], run: () => replies.noop },
  VRFY: { needs: [], run: () => replies.verify },
  HELP: { needs: [], run: () => replies.help },
  QUIT: { needs: [], run: () => replies.bye },
  STARTTLS: {
    needs: [],
    run: ({ settings, stream }) => {
      if (stream.tls) return replies.tlsActive;
      return settings.tls ? replies.beginTls : replies.unknownCommand;
    },
  },
  AUTH: { needs: ["hello"], run: authenticate },
};
