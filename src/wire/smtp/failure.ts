// Failure: what kind of failure another server's answer, or the lack of one, is: for people who ask why mail waits. Servers use the
// same enhanced status (RFC 3463) for many things, so their words count first, the status second, the reply code last.

export const failures = {
  greylisted: "asked to come again later; the next attempts are likely to succeed",
  reputation: "our address or name is on a block list, or has a bad reputation there",
  rate: "we send too much, or too many connections, for the other server",
  full: "the mailbox, or the disk of the other server, is full",
  user: "there is no such mailbox",
  domain: "the domain does not exist, or takes no mail",
  disabled: "the mailbox is closed or moved",
  authentication: "SPF, DKIM, DMARC or reverse DNS of ours did not satisfy the other server",
  content: "the message itself was taken for spam or a virus",
  relay: "the other server does not take mail for this address from us",
  sender: "the sender's address was refused",
  policy: "refused by a rule of the other server",
  size: "the message is too large for the other server",
  form: "the other server cannot take this kind of message or address",
  loop: "the message goes round in circles",
  tls: "no connection that is safe enough",
  dns: "DNS does not answer",
  connection: "the other server cannot be reached, or the connection broke",
  expired: "it was tried for too long",
  server: "the other server has trouble of its own",
  here: "this server has trouble of its own; see the log",
  protocol: "the two servers did not understand each other",
  other: "nothing is known but what the other server said",
} as const;

export type Failure = keyof typeof failures;

interface Answered {
  /** Enhanced status, as the queue keeps it. */
  readonly code: string;
  readonly text: string;
}

interface Row {
  readonly failure: Failure;
  /** Of the enhanced status, behind its first digit. */
  readonly status?: RegExp;
  readonly text?: RegExp;
  /** Of the reply code. */
  readonly reply?: RegExp;
}

/** The first row of which everything that it names applies. Rows by words are narrow, and stand before those by status. */
const rows: readonly Row[] = [
  // our own words, of remote and local
  {
    failure: "dns",
    text: /^DNS does not answer for |^The (?:smarthost|host of the route) .* has no address$/,
  },
  { failure: "here", text: /^The (?:message|directory of users|mailbox) cannot be (?:read|asked|used)/ },
  { failure: "here", text: /^The delivery (?:was interrupted|brought no outcome)/ },
  { failure: "full", text: /^There is no room for the message now/ },
  { failure: "loop", text: /mail would loop$|^We are the best mail exchanger for / },
  { failure: "expired", status: /^\.4\.7$/ },
  // what other servers say, most telling first
  { failure: "greylisted", text: /gr[ae]y-?\s?list|postgrey|sqlgrey|milter-greylist/i },
  {
    failure: "full",
    text: /over ?quota|quota (?:is )?exceed|exceed\w* (?:\w+ ){0,3}quota|(?:mailbox|inbox|disk) (?:is |has been )?(?:\w+ )?full|out of storage/i,
  },
  {
    failure: "authentication",
    text: /\bDMARC\b|\bDKIM\b|\bSPF\b|sender policy framework|unauthenticated|not authenticated/i,
  },
  { failure: "authentication", text: /reverse DNS|\brDNS\b|\bPTR\b|no reverse|reverse hostname/i },
  {
    failure: "rate",
    text: /rate.?limit|too (?:many|much) (?:\w+ ){0,2}(?:connections?|messages?|mails?|recipients|sessions|concurrent)|throttl|too fast|sending (?:rate|limit)|unusual rate/i,
  },
  {
    failure: "reputation",
    text: /block.?list|black.?list|\b\w*[dr]nsbl\w*\b|spamhaus|spamcop|barracuda|sorbs|abuseat|proofpoint|cloudmark|senderscore|reputation|\bRBL\b|listed (?:at|by|in|on)\b/i,
  },
  {
    failure: "content",
    text: /\bvirus\b|malware|phish|spam (?:message|content|score)|(?:looks|detected|classified|identified|considered) (?:\w+ ){0,3}(?:spam|junk|unsolicited)|unsolicited|banned (?:file|content)|prohibited (?:file|attachment)/i,
  },
  {
    failure: "relay",
    text: /relay(?:ing)? (?:access )?(?:is )?(?:denied|not (?:permitted|allowed))|(?:unable|not permitted|refus\w+) to relay|we do not relay/i,
  },
  {
    failure: "disabled",
    text: /(?:account|mailbox|user|recipient)\b.{0,30}\b(?:disabled|suspended|inactive|deactivated|closed|locked)/i,
  },
  {
    failure: "sender",
    text: /sender (?:address )?(?:rejected|refused|denied|verif\w+ failed)|(?:domain of )?sender (?:address )?.{0,60}does not (?:exist|resolve)|bad sender/i,
  },
  {
    failure: "user",
    status: /^\.1\.[0136]$|^\.(?:0|7)\.\d+$|^\.5\.0$/,
    text: /(?:no such|unknown|invalid|unrouteable|unroutable|nonexistent|non-existent) (?:local )?(?:user|recipient|mailbox|address|account|person)|(?:user|recipient|mailbox|address|account)\b.{0,60}(?:unknown|not found|does(?:n't| not) exist|not exist|unavailable|no such|not known)|no mailbox here/i,
  },
  {
    failure: "tls",
    text: /STARTTLS|\bTLS\b.{0,40}(?:required|handshake|failed|not available|unavailable)|certificate|cannot do TLS|must issue a STARTTLS/i,
  },
  { failure: "size", text: /(?:message|mail)\b.{0,30}(?:too (?:big|large|long)|exceeds)|size limit/i },
  { failure: "loop", text: /too many hops|mail loop|routing loop|hop count/i },
  // RFC 3463 and its registry (RFC 5248)
  { failure: "domain", status: /^\.1\.(?:2|10)$|^\.4\.4$/ },
  { failure: "disabled", status: /^\.2\.1$|^\.1\.6$/ },
  { failure: "user", status: /^\.1\.[13]$/ },
  { failure: "sender", status: /^\.1\.[78]$/ },
  { failure: "user", status: /^\.1\.\d+$/ },
  { failure: "full", status: /^\.2\.2$|^\.3\.1$/ },
  { failure: "size", status: /^\.2\.3$|^\.3\.4$/ },
  { failure: "disabled", status: /^\.2\.\d+$/ },
  { failure: "dns", status: /^\.4\.3$/ },
  { failure: "loop", status: /^\.4\.6$|^\.3\.5$/ },
  { failure: "rate", status: /^\.4\.5$|^\.5\.3$/ },
  { failure: "connection", status: /^\.4\.\d+$/ },
  { failure: "authentication", status: /^\.7\.(?:2\d|30)$/ },
  { failure: "rate", status: /^\.7\.28$/ },
  { failure: "tls", status: /^\.7\.(?:[45]|10|11)$/ },
  { failure: "policy", status: /^\.7\.\d+$/ },
  { failure: "form", status: /^\.6\.\d+$/ },
  { failure: "server", status: /^\.3\.\d+$/ },
  { failure: "protocol", status: /^\.5\.\d+$/ },
  // RFC 5321 §4.2.3: servers without enhanced codes
  { failure: "connection", reply: /^421$/ },
  { failure: "server", reply: /^4[15]1$/ },
  { failure: "full", reply: /^[45]52$/ },
  { failure: "protocol", reply: /^50\d$/ },
  { failure: "relay", reply: /^551$/ },
];

/** The class of a failure; "other" when there is nothing to go by. */
export function classify({ code, text }: Answered): Failure {
  const status = code.slice(1);
  // our texts tell what was answered to what: "mx.far.test [192.0.2.1] answered RCPT: 450 …"
  const reply = /(?:^|: )([45]\d\d)(?: |$)/.exec(text)?.[1] ?? "";
  const row = rows.find(
    (each) =>
      (!each.status || each.status.test(status)) &&
      (!each.text || each.text.test(text)) &&
      (!each.reply || each.reply.test(reply)),
  );
  return row?.failure ?? "other";
}
