// Every reply our server can give: short, honest, with its enhanced code. Fixed ones are formatted once.

import type { BodyFlaw } from "../dots.ts";
import type { LineFlaw } from "../lines.ts";
import type { PathProblem } from "./path.ts";
import { type Reply, reply } from "./reply.ts";

export const greeting = (hostname: string): Reply => reply(220, "", `${hostname} ESMTP Kenro`);
export const helo = (hostname: string): Reply => reply(250, "", hostname);

/** RFC 5321 §4.1.1.1: each keyword with its parameters. */
export const ehlo = (hostname: string, keywords: readonly string[]): Reply =>
  reply(250, "", hostname, ...keywords);

/** RFC 5321 §4.1.1.8. */
export const help = (verbs: readonly string[]): Reply => reply(214, "2.0.0", `Commands: ${verbs.join(" ")}`);

/** Sent before a session exists: why a connection is not served. */
export function notAdmitted(hostname: string, why: string): Reply {
  switch (why) {
    case "stranger":
      return reply(554, "5.7.1", `${hostname} This listener does not serve your network`);
    case "addressRate":
    case "networkRate":
      return reply(421, "4.7.0", `${hostname} Too many new connections from you, try again later`);
    case "address":
    case "network":
      return reply(421, "4.7.0", `${hostname} Too many connections from you, try again later`);
    default:
      return reply(421, "4.7.0", `${hostname} Too many connections, try again later`);
  }
}

export const replies = {
  // 2yz, 3yz
  closing: reply(221, "2.0.0", "Goodbye"),
  startTls: reply(220, "2.0.0", "Ready to start TLS"),
  authenticated: reply(235, "2.7.0", "Authentication succeeded"),
  ok: reply(250, "2.0.0", "Ok"),
  senderOk: reply(250, "2.1.0", "Sender ok"),
  recipientOk: reply(250, "2.1.5", "Recipient ok"),
  /** sendmail -bs: it is durable, and gets its id later. */
  taken: reply(250, "2.0.0", "Taken"),
  reset: reply(250, "2.0.0", "Flushed"),
  /** RFC 5321 §3.5.3: we neither confirm nor deny. */
  cannotVerify: reply(252, "2.5.0", "Cannot verify, but will take mail for it at RCPT if it exists"),
  startMail: reply(354, "", "Send the message, end with a dot on a line of its own"),
  authContinue: reply(334, "", ""),
  // RFC 4954 §4: base64 of "Username:" and "Password:"
  authUsername: reply(334, "", "VXNlcm5hbWU6"),
  authPassword: reply(334, "", "UGFzc3dvcmQ6"),
  // the connection ends
  shutdown: reply(421, "4.3.2", "The server is being restarted, try again"),
  timeout: reply(421, "4.4.2", "Timeout"),
  tooManyErrors: reply(421, "4.7.0", "Too many errors"),
  endlessLine: reply(421, "4.7.0", "A command line without end"),
  tooMuchJunk: reply(421, "4.7.0", "Too many commands that send no mail"),
  tooManyTransactions: reply(421, "4.7.0", "Enough mail on one connection, go on with a new one"),
  tooManyLogins: reply(421, "4.7.0", "Too many failed logins"),
  notHttp: reply(421, "4.7.0", "This is a mail server"),
  /** Plaintext behind STARTTLS may come from somebody between the client and us; none of it is read. */
  smuggledBehindTls: reply(421, "4.7.0", "Nothing may follow STARTTLS before its reply"),
  /** Octets follow that nobody can count: to read on would be to take a message for commands. */
  lostChunk: reply(421, "4.5.2", "Syntax: BDAT size [LAST]"),
  // order of commands
  helloFirst: reply(503, "5.5.1", "EHLO first"),
  mailFirst: reply(503, "5.5.1", "MAIL first"),
  recipientFirst: reply(503, "5.5.1", "RCPT first: there is no accepted recipient"),
  oneSender: reply(503, "5.5.1", "The sender is already given"),
  recipientsOver: reply(503, "5.5.1", "The message has begun: no more recipients"),
  dataAfterChunk: reply(503, "5.5.1", "The message has begun with BDAT and ends with BDAT"),
  binaryNeedsChunks: reply(503, "5.5.1", "BODY=BINARYMIME needs BDAT"),
  chunkRefused: reply(503, "5.5.1", "The message was refused at an earlier chunk: RSET first"),
  // syntax
  unknown: reply(500, "5.5.2", "Unknown command"),
  notImplemented: reply(502, "5.5.1", "Not implemented"),
  noArgument: reply(501, "5.5.4", "This command takes no argument"),
  argumentMissing: reply(501, "5.5.4", "This command takes an argument"),
  badHello: reply(501, "5.5.4", "Give the name of your host"),
  mailSyntax: reply(501, "5.5.4", "Syntax: MAIL FROM:<address>"),
  recipientSyntax: reply(501, "5.5.4", "Syntax: RCPT TO:<address>"),
  badSize: reply(501, "5.5.4", "SIZE is a number of bytes"),
  badBody: reply(501, "5.5.4", "BODY is 7BIT, 8BITMIME or BINARYMIME"),
  badRet: reply(501, "5.5.4", "RET is FULL or HDRS"),
  badEnvid: reply(501, "5.5.4", "ENVID is xtext of 1 to 100 printable characters"),
  badNotify: reply(501, "5.5.4", "NOTIFY is NEVER, or some of SUCCESS, FAILURE and DELAY"),
  badOriginal: reply(501, "5.5.4", "ORCPT is type;address, in xtext, 500 characters at most"),
  badAuthParam: reply(501, "5.5.4", "AUTH is xtext or <>"),
  badDeliverBy: reply(501, "5.5.4", "BY is seconds;R or seconds;N, and R needs time left"),
  badHoldFor: reply(501, "5.5.4", "HOLDFOR is a number of seconds"),
  badHoldUntil: reply(501, "5.5.4", "HOLDUNTIL is a date and time of RFC 3339"),
  holdTwice: reply(501, "5.5.4", "HOLDFOR and HOLDUNTIL exclude each other"),
  holdPast: reply(501, "5.5.4", "HOLDUNTIL is over already"),
  holdTooLong: reply(501, "5.5.4", "The message cannot be held so long"),
  badPriority: reply(501, "5.5.4", "MT-PRIORITY is a number from -9 to 9"),
  flagHasValue: reply(501, "5.5.4", "That parameter takes no value"),
  chunkSyntax: reply(501, "5.5.4", "Syntax: BDAT size [LAST]"),
  verifySyntax: reply(501, "5.1.3", "Syntax: VRFY user or VRFY user@domain"),
  nullRecipient: reply(501, "5.1.3", "The null path is no recipient"),
  /** RFC 6531 §3.5. */
  utf8Needed: reply(553, "5.6.7", "An address beyond ASCII needs SMTPUTF8"),
  // TLS and logins
  /** RFC 8689 §2: what shall stay encrypted must come encrypted. */
  requireTlsInClear: reply(530, "5.7.10", "REQUIRETLS needs TLS: STARTTLS first"),
  alreadyTls: reply(503, "5.5.1", "TLS is already active"),
  tlsUnavailable: reply(454, "4.7.0", "TLS is not available now"),
  authNotHere: reply(502, "5.5.1", "No logins here: use the submission port"),
  authNeedsTls: reply(538, "5.7.11", "Encryption required: STARTTLS first"),
  authRequired: reply(530, "5.7.0", "Log in first"),
  authTwice: reply(503, "5.5.1", "Already logged in"),
  authDuringMail: reply(503, "5.5.1", "Not during a mail transaction"),
  authMechanism: reply(504, "5.5.4", "Unknown mechanism: PLAIN or LOGIN"),
  authSyntax: reply(501, "5.5.2", "Cannot decode that"),
  /** RFC 4954 §4. */
  authLineLong: reply(500, "5.5.6", "Authentication exchange line too long"),
  authCancelled: reply(501, "5.7.0", "Cancelled"),
  authFailed: reply(535, "5.7.8", "Wrong user or password"),
  authAway: reply(454, "4.7.0", "Logins cannot be checked now, try again later"),
  // XCLIENT
  xclientDenied: reply(550, "5.7.0", "You may not speak for others"),
  xclientDuringMail: reply(503, "5.5.1", "Not during a mail transaction"),
  // verdicts
  sizeDeclared: reply(552, "5.3.4", "That message is larger than we take"),
  notYourAddress: reply(553, "5.7.1", "That is not an address of your account"),
  relayDenied: reply(550, "5.7.1", "Relay denied: we take no mail for that domain from you"),
  noSuchUser: reply(550, "5.1.1", "No such user here"),
  /** RFC 3463 §3.3: X.2.2, X.2.3. */
  mailboxFull: reply(452, "4.2.2", "The mailbox is full"),
  largerThanMailbox: reply(552, "5.2.3", "The message is larger than the mailbox may be"),
  tooManyRecipients: reply(452, "4.5.3", "Too many recipients, send the rest in another transaction"),
  lookupAway: reply(451, "4.3.0", "Recipients cannot be checked now, try again later"),
  // messages
  tooLarge: reply(552, "5.3.4", "The message is larger than we take"),
  headerTooLarge: reply(552, "5.3.4", "The header of the message is too large"),
  tooManyFields: reply(554, "5.6.0", "The header of the message has too many fields"),
  tooManyHops: reply(554, "5.4.6", "Too many hops: this message is looping"),
  queueAway: reply(451, "4.3.0", "The message cannot be queued now, try again later"),
} as const satisfies Record<string, Reply>;

/** RFC 5321 §4.2.5: from here on the message is ours. The id is what the log knows it by. */
export const queued = (id: string): Reply => reply(250, "2.0.0", `Queued as ${id}`);

/** RFC 3030 §2. */
export const chunkTaken = (octets: number): Reply => reply(250, "2.0.0", `${octets} octets received`);

/** The queue's refusal, in its own words. */
export function notQueued(reason: "full" | "later" | "never", text: string): Reply {
  switch (reason) {
    case "full":
      return reply(452, "4.3.1", text);
    case "later":
      return reply(451, "4.3.0", text);
    case "never":
      return reply(554, "5.6.0", text);
  }
}

const lineFlaws: Readonly<Record<LineFlaw, Reply>> = {
  bareLf: reply(500, "5.5.2", "Lines end with CR LF; a bare LF was sent"),
  bareCr: reply(500, "5.5.2", "A command holds a bare CR"),
  nul: reply(500, "5.5.2", "A command holds a NUL"),
  long: reply(500, "5.5.2", "Line too long"),
};

export const badLine = (flaw: LineFlaw): Reply => lineFlaws[flaw];

const bodyFlaws: Readonly<Record<BodyFlaw, Reply>> = {
  bareLf: reply(550, "5.6.0", "Refused: the message has a line that ends with LF instead of CR LF"),
  bareCr: reply(550, "5.6.0", "Refused: the message has a CR that no LF follows"),
  nul: reply(550, "5.6.0", "Refused: the message has a NUL"),
};

export const badBody = (flaw: BodyFlaw): Reply => bodyFlaws[flaw];

const senderProblems: Readonly<Record<PathProblem, Reply>> = {
  syntax: replies.mailSyntax,
  local: reply(553, "5.1.7", "The part before the @ is not well formed"),
  domain: reply(553, "5.1.7", "The domain is not well formed"),
  long: reply(553, "5.1.7", "That address is too long"),
  // RFC 6531 §3.5: 550 at MAIL, 553 at RCPT
  nonAscii: reply(550, "5.6.7", "An address beyond ASCII needs SMTPUTF8"),
};

const recipientProblems: Readonly<Record<PathProblem, Reply>> = {
  syntax: replies.recipientSyntax,
  local: reply(553, "5.1.3", "The part before the @ is not well formed"),
  domain: reply(553, "5.1.3", "The domain is not well formed"),
  long: reply(553, "5.1.3", "That address is too long"),
  nonAscii: replies.utf8Needed,
};

export const badSender = (problem: PathProblem): Reply => senderProblems[problem];
export const badRecipient = (problem: PathProblem): Reply => recipientProblems[problem];

/** What auth says of an address that exists and takes no mail; the class of the status is that of the reply. */
export const deniedRecipient = ({ code, text }: { readonly code: string; readonly text: string }): Reply =>
  reply(code.startsWith("5.") ? 550 : 450, code, text);

export const badParams = (why: string): Reply => reply(501, "5.5.4", why);
/** RFC 5321 §4.1.1.11. */
export const unknownParam = (keyword: string): Reply => reply(555, "5.5.4", `Unknown parameter ${keyword}`);

/** What a rule of policy says, with the rule's id: who is refused can quote it, and the administrator finds it in docs/policy.md. */
export const judged = (said: {
  readonly code: number;
  readonly enhanced: string;
  readonly text: string;
  readonly rule: string;
}): Reply => reply(said.code, said.enhanced, `${said.text} (${said.rule})`);

/** A program that had to look at the message did not (docs/content.md). */
export const unchecked = (checker: string): Reply =>
  reply(451, "4.3.0", `The message cannot be checked now, try again later (${checker})`);
