// Command sequences that two servers are asked to answer, to see where they differ (test/flows/postfix.test.ts).

/** Sent as it is, with CR LF behind it unless it ends with LF; `replies` it gets by RFC 5321, 1 when nothing is said. */
export interface Said {
  readonly say: string;
  readonly replies: number;
}

export interface Sequence {
  readonly name: string;
  readonly steps: readonly (Said | "tls")[];
}

/** "tls" starts TLS; a number before a text tells its replies. */
type Step = "tls" | string | readonly [replies: number, say: string];

const H = "EHLO c.test";
const M = "MAIL FROM:<b@far.test>";
const R = "RCPT TO:<ann@a.test>";
const END = "\r\n.\r\n";
const mail = [H, M] as const;
const rcpt = [H, M, R] as const;
const data = [...rcpt, "DATA"] as const;
const many = (count: number, text: string): readonly string[] => new Array<string>(count).fill(text);
const received = "Received: from a by b; Thu, 1 Jan 2026 00:00:00 +0000\r\n";

const rows: Readonly<Record<string, readonly Step[]>> = {
  ehlo: [H],
  helo: ["HELO c.test"],
  "ehlo without a name": ["EHLO"],
  "helo without a name": ["HELO"],
  "ehlo with two words": ["EHLO a b"],
  "ehlo with an address literal": ["EHLO [127.0.0.1]"],
  "ehlo with a control character": ["EHLO a\x01b"],
  "mail before ehlo": [M],
  "rcpt before mail": [H, R],
  "data before mail": [H, "DATA"],
  "data before rcpt": [...mail, "DATA"],
  "data behind a refused rcpt": [...mail, "RCPT TO:<no@a.test>", "DATA"],
  "data with an argument": [...rcpt, "DATA now"],
  "mail twice": [...mail, M, R],
  rset: ["RSET", ...mail, "RSET", R, "RSET x"],
  "ehlo within a transaction": [...rcpt, H, "DATA"],
  noop: ["NOOP", "NOOP x y"],
  quit: ["QUIT"],
  "quit with an argument": ["QUIT now"],
  "an unknown command": ["FOO", "FOO bar"],
  "an empty line": ["\r\n"],
  vrfy: [H, "VRFY ann@a.test"],
  "vrfy of nobody": [H, "VRFY no@a.test"],
  "vrfy without an argument": [H, "VRFY"],
  "vrfy of two words": [H, "VRFY ann lee"],
  "vrfy beyond ascii": [H, "VRFY änn@a.test", "VRFY änn@a.test SMTPUTF8"],
  expn: [H, "EXPN staff"],
  help: ["HELP"],
  etrn: [H, "ETRN"],
  turn: [H, "TURN"],
  "a browser": ["GET / HTTP/1.1"],
  "auth where there is none": [H, "AUTH PLAIN AGFubgBz"],
  "xclient from anybody": [H, "XCLIENT ADDR=192.0.2.1"],
  "mail without from": [H, "MAIL", "MAIL FROM", "MAIL TO:<b@far.test>"],
  "mail without brackets": [H, "MAIL FROM:b@far.test"],
  "mail with a space behind the colon": [H, "MAIL FROM: <b@far.test>"],
  "mail in lower case": [H, "mail from:<b@far.test>", "rcpt to:<ann@a.test>"],
  "mail from nobody": [H, "MAIL FROM:<>", R],
  "mail without a domain": [H, "MAIL FROM:<b>"],
  "mail with an unknown parameter": [H, `${M} FOO=bar`],
  "mail with a parameter and no space": [H, `${M}SIZE=1`],
  "mail with size": [H, `${M} SIZE=100`, "RSET", `${M} SIZE=`, `${M} SIZE=x`, `${M} SIZE=99999999`],
  "mail with size twice": [H, `${M} SIZE=1 SIZE=1`],
  "mail with body": [H, `${M} BODY=8BITMIME`, "RSET", `${M} BODY=7BIT`, "RSET", `${M} BODY=9BIT`],
  "mail with body=binarymime": [H, `${M} BODY=BINARYMIME`],
  "mail with auth": [H, `${M} AUTH=<>`],
  "mail with requiretls in clear": [H, `${M} REQUIRETLS`],
  "mail beyond ascii": [H, "MAIL FROM:<bøb@far.test>"],
  "mail beyond ascii with smtputf8": [H, "MAIL FROM:<bøb@far.test> SMTPUTF8", R],
  "mail with ret and envid": [
    H,
    `${M} RET=HDRS ENVID=QQ1`,
    "RSET",
    `${M} RET=X`,
    `${M} ENVID=a+4`,
    `${M} RET=FULL RET=FULL`,
  ],
  "rcpt with notify": [
    ...mail,
    `${R} NOTIFY=SUCCESS,DELAY`,
    `${R} NOTIFY=NEVER`,
    `${R} NOTIFY=NEVER,DELAY`,
    `${R} NOTIFY=X`,
  ],
  "rcpt with notify of one thing twice": [...mail, `${R} NOTIFY=DELAY,DELAY`],
  "rcpt with orcpt": [...mail, `${R} ORCPT=rfc822;a+40b`, `${R} ORCPT=x`, `${R} ORCPT=rfc822;a+4`],
  "rcpt with orcpt twice": [...mail, `${R} ORCPT=rfc822;a ORCPT=rfc822;a`],
  "rcpt with an unknown parameter": [...mail, `${R} FOO`],
  "rcpt of nobody": [...mail, "RCPT TO:<>"],
  "rcpt of an unknown user": [...mail, "RCPT TO:<no@a.test>"],
  "rcpt elsewhere": [...mail, "RCPT TO:<x@elsewhere.test>"],
  "rcpt without a domain": [...mail, "RCPT TO:<ann>"],
  "rcpt of postmaster": [...mail, "RCPT TO:<Postmaster>"],
  "rcpt of postmaster at our domain": [...mail, "RCPT TO:<postmaster@a.test>"],
  "rcpt without brackets": [...mail, "RCPT TO:ann@a.test"],
  "rcpt with a source route": [...mail, "RCPT TO:<@x.test:ann@a.test>"],
  "rcpt with quotes": [...mail, 'RCPT TO:<"ann"@a.test>', 'RCPT TO:<"a n"@a.test>'],
  "rcpt at an address literal": [...mail, "RCPT TO:<ann@[127.0.0.1]>", "RCPT TO:<ann@[1.2.3]>"],
  "rcpt with dots in wrong places": [
    ...mail,
    "RCPT TO:<a..b@a.test>",
    "RCPT TO:<.a@a.test>",
    "RCPT TO:<ann@a.test.>",
    "RCPT TO:<ann@a..test>",
  ],
  "rcpt with a long local part": [...mail, `RCPT TO:<${"x".repeat(65)}@a.test>`],
  "rcpt twice": [...rcpt, R, "DATA", `x${END}`],
  "rcpt with a percent sign": [...mail, "RCPT TO:<x%elsewhere.test@a.test>"],
  "a command that ends with lf": ["NOOP\n", "NOOP"],
  "a command with a bare cr": ["NO\rOP", "NOOP"],
  "a command with a nul": ["NO\0OP", "NOOP"],
  "a long line": [`NOOP ${"x".repeat(3000)}`, "NOOP"],
  "a message": [...data, `Subject: x\r\n\r\nx${END}`, M, R, "DATA", `y${END}`],
  "a message with dots": [...data, `Subject: x\r\n\r\n..\r\n...x${END}`],
  "an empty message": [...data, ".\r\n"],
  "a message of 8-bit bytes": [...data, `Subject: \xe4\r\n\r\n\xff${END}`],
  "a message with a bare lf": [...data, `Subject: x\r\n\r\na\nb${END}`],
  "a message with a bare cr": [...data, `Subject: x\r\n\r\na\rb${END}`],
  "a message with a nul": [...data, `Subject: x\r\n\r\na\0b${END}`],
  "a message smuggled behind lf . lf": [
    ...data,
    [1, `Subject: x\r\n\r\na\n.\nMAIL FROM:<e@far.test>\r\nRCPT TO:<ann@a.test>\r\nDATA\r\nevil${END}`],
  ],
  "a message smuggled behind cr . cr": [
    ...data,
    [1, `Subject: x\r\n\r\na\r.\rMAIL FROM:<e@far.test>\r\nDATA\r\nevil${END}`],
  ],
  "a message that is too large": [...data, `Subject: x\r\n\r\n${"0123456789abcde\r\n".repeat(65_000)}.\r\n`],
  "a message that loops": [...data, `${received.repeat(101)}\r\nx${END}`],
  "a message with a long line": [...data, `Subject: x\r\n\r\n${"x".repeat(5000)}${END}`],
  bdat: [...rcpt, "BDAT 14\r\nSubject: x\r\n\r\n", "BDAT 3 LAST\r\ny\r\n", M],
  "bdat of an empty last chunk": [...rcpt, "BDAT 12\r\nSubject: x\r\n", "BDAT 0 LAST"],
  "bdat of an empty chunk": [...rcpt, "BDAT 0", "BDAT 3 LAST\r\ny\r\n"],
  "bdat without a last line end": [...rcpt, [1, "BDAT 1 LAST\r\ny"], "NOOP"],
  "bdat before mail": [H, "BDAT 6 LAST\r\nQUIT\r\n", "NOOP"],
  "bdat before rcpt": [...mail, "BDAT 6 LAST\r\nQUIT\r\n", M],
  "bdat behind a refused rcpt, all at once": [
    H,
    [4, `${M}\r\nRCPT TO:<no@a.test>\r\nBDAT 6 LAST\r\nQUIT\r\n${M}`],
  ],
  "bdat without a size": [...rcpt, "BDAT"],
  "bdat with a size that is none": [...rcpt, "BDAT x"],
  "bdat with a word behind its size": [...rcpt, "BDAT 6 FIRST\r\nQUIT\r\n", "NOOP"],
  "data within chunks": [...rcpt, "BDAT 6\r\nA: b\r\n", "DATA"],
  "rcpt within chunks": [...rcpt, "BDAT 6\r\nA: b\r\n", R],
  "mail within chunks": [...rcpt, "BDAT 6\r\nA: b\r\n", M],
  "rset within chunks": [...rcpt, "BDAT 6\r\nA: b\r\n", "RSET", "BDAT 6 LAST\r\nQUIT\r\n"],
  "bdat with a bare lf": [...rcpt, "BDAT 4\r\na\nb\n", "BDAT 6 LAST\r\nQUIT\r\n", "NOOP"],
  "bdat that is too large": [
    ...rcpt,
    `BDAT 2000000 LAST\r\n${"0123456789abcde\r\n".repeat(117_647)}\n`,
    "NOOP",
  ],
  "all at once": [[7, `${H}\r\n${M}\r\n${R}\r\nDATA\r\nx${END}NOOP\r\nQUIT`]],
  "all at once, with mistakes": [[6, `${H}\r\n${M}\r\nRCPT TO:<no@a.test>\r\n${R}\r\nFOO\r\nRSET`]],
  starttls: ["STARTTLS", "tls", H, M, R, "STARTTLS"],
  "starttls with an argument": ["STARTTLS now"],
  "starttls forgets the transaction": [H, M, "STARTTLS", "tls", R, M],
  "starttls with more behind it": [[1, "STARTTLS\r\nNOOP"]],
  "requiretls under tls": ["STARTTLS", "tls", H, `${M} REQUIRETLS`],
  "twenty-one wrong commands": [...many(21, "FOO")],
  "a hundred and thirty commands that send nothing": [...many(130, "NOOP")],
};

const step = (given: Step): Said | "tls" => {
  if (given === "tls") return given;
  const [replies, say] = typeof given === "string" ? [1, given] : given;
  return { replies, say: say.endsWith("\n") || /^BDAT 1 /.test(say) ? say : `${say}\r\n` };
};

/** Each begins behind the greeting. */
export const sequences: readonly Sequence[] = Object.entries(rows).map(([name, steps]) => ({
  name,
  steps: steps.map(step),
}));
