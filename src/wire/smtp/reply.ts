// SMTP replies: a code, an enhanced code (RFC 2034) and text; and the catalogue of all that smtpd says.

export interface Reply {
  readonly code: number;
  /** With the enhanced code in front where there is one. Several lines for EHLO and HELP. */
  readonly lines: readonly string[];
  /** What the connection does behind it. */
  readonly next?: "close" | "tls" | "body" | undefined;
}

export const reply = (code: number, text: string, next?: Reply["next"]): Reply => ({
  code,
  lines: [text],
  next,
});

/** RFC 5321 §4.2: hyphen behind the code on all lines but the last. */
export function formatReply({ code, lines }: Reply): string {
  return lines.map((line, at) => `${code}${at === lines.length - 1 ? " " : "-"}${line}\r\n`).join("");
}

export const replies = {
  greeting: (hostname: string) => reply(220, `${hostname} ESMTP Kenro`),
  bye: reply(221, "2.0.0 Good bye", "close"),
  ok: reply(250, "2.0.0 Ok"),
  noop: reply(250, "2.0.0 Ok"),
  sender: reply(250, "2.1.0 Sender ok"),
  recipient: reply(250, "2.1.5 Recipient ok"),
  loggedIn: reply(235, "2.7.0 Logged in"),
  verify: reply(252, "2.5.0 Cannot verify; send the mail and see"),
  help: reply(214, "2.0.0 See RFC 5321"),
  goAhead: reply(354, "Send the message, end with a dot on a line of its own", "body"),
  beginTls: reply(220, "2.0.0 Begin TLS", "tls"),
  queued: (id: string) => reply(250, `2.0.0 Queued as ${id}`),
  unknownCommand: reply(500, "5.5.2 Unknown command"),
  badLine: reply(500, "5.5.2 Lines end with CR LF; a CR, LF or NUL cannot stand inside one"),
  longLine: reply(500, "5.5.2 The line is too long"),
  syntax: (what: string) => reply(501, `5.5.4 Cannot read the arguments: ${what}`),
  badSender: (what: string) => reply(501, `5.1.7 Cannot read the sender: ${what}`),
  badRecipient: (what: string) => reply(501, `5.1.3 Cannot read the recipient: ${what}`),
  noHello: reply(503, "5.5.1 Say EHLO first"),
  noMail: reply(503, "5.5.1 Say MAIL first"),
  nested: reply(503, "5.5.1 A message is begun already; RSET ends it"),
  noRecipients: reply(503, "5.5.1 No recipient has been accepted"),
  unknownParameter: (name: string) => reply(555, `5.5.4 The parameter ${name} is not offered`),
  needAuth: reply(530, "5.7.0 Log in first"),
  needTls: reply(538, "5.7.11 Use STARTTLS before you log in"),
  tlsActive: reply(503, "5.5.1 TLS is active already"),
  authDone: reply(503, "5.5.1 You are logged in already"),
  authInMail: reply(503, "5.5.1 Not while a message is begun"),
  noMechanism: reply(504, "5.5.4 Only PLAIN and LOGIN are offered"),
  badAuth: reply(501, "5.5.2 Cannot read the response"),
  cancelled: reply(501, "5.7.0 Cancelled"),
  denied: reply(535, "5.7.8 Wrong user name or password"),
  authAway: reply(454, "4.7.0 Logins do not work now; try again later"),
  notOurs: (address: string) => reply(550, `5.7.1 We do not relay mail to <${address}>`),
  unknownUser: (address: string) => reply(550, `5.1.1 There is no user <${address}> here`),
  senderNotYours: reply(553, "5.7.1 This sender does not belong to your account"),
  lookupAway: reply(451, "4.3.0 Addresses cannot be looked up now; try again later"),
  tooManyRecipients: reply(452, "4.5.3 Too many recipients; send the others in another message"),
  tooLarge: (max: number) => reply(552, `5.3.4 The message is larger than ${max} bytes`),
  smuggling: reply(
    550,
    "5.6.0 Lines of a message end with CR LF; a CR, LF or NUL cannot stand inside one",
    "close",
  ),
  loop: reply(554, "5.4.6 Too many Received fields; this message is in a loop"),
  full: reply(452, "4.3.1 No room for mail now; try again later"),
  later: reply(451, "4.3.0 The message cannot be taken now; try again later"),
  never: (text: string) => reply(554, `5.3.0 ${text}`),
  tooManyErrors: reply(421, "4.7.0 Too many errors", "close"),
  tooManyMessages: reply(421, "4.7.0 Too many messages; connect again", "close"),
  timeout: (hostname: string) => reply(421, `4.4.2 ${hostname} Too slow; good bye`, "close"),
  stopping: (hostname: string) => reply(421, `4.3.2 ${hostname} is being restarted; come back`, "close"),
} as const;
