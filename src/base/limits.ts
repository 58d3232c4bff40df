// Every limit of size, count and time, each with the floor its RFC demands. Settings may lower or raise some of them; see config/schema.ts.

const KiB = 1024;
const MiB = 1024 * KiB;
const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

export const limits = {
  smtp: {
    /** Command line with CRLF. RFC 5321 §4.5.3.1.4: at least 512, plus what extensions add. */
    commandLine: 2048,
    /** AUTH lines. RFC 4954 §4: 12,288. */
    authLine: 12_288,
    /** RFC 5321 §4.5.3.1.8: at least 100. */
    recipients: 1000,
    /** RFC 5321 §4.5.3.1.1: 64 octets. */
    localPart: 64,
    /** RFC 5321 §4.5.3.1.2: 255 octets. */
    domain: 255,
    /** A path without its brackets; RFC 5321 §4.5.3.1.3: 256 with them. */
    path: 254,
    /** RFC 5321 §6.3: at least 100 Received fields. */
    hops: 100,
    /** Header section, bytes and fields. It is kept whole until it ends. */
    headerBytes: 128 * KiB,
    headerFields: 1000,
    /** Wrong commands a connection may send before 421. */
    errors: 20,
    /** Commands that send no mail (NOOP, VRFY, EHLO …) between two messages before 421. */
    junk: 100,
    /** Temporary refusals (4yz) before 421; a client with too many recipients for one transaction gets that many. */
    temporary: 2000,
    transactionsPerConnection: 1000,
    /** HOLDFOR and HOLDUNTIL (RFC 4865): longest time that a message waits for its moment. */
    hold: 30 * day,
    /** The value of an attribute of XCLIENT. */
    attribute: 255,
    /** Text of `smtp.contact`; with our own texts it fits into a line of 512 octets. */
    contact: 200,
    /** Recipients of pipelined RCPT commands that are looked up at a time. */
    lookups: 50,
    /** Pipelined commands of one connection that are answered before the others have their turn. */
    burst: 2,
    /** Bytes of one command line, which nobody has kept for long, before 421. */
    endlessLine: 64 * KiB,
    /** Bytes of the addresses of a message's recipients and of what was asked for each, for each that `max_recipients` allows. 100 of the
     * longest always fit (`least`), and all of them into one frame to the queue (`most`); the rest comes in another transaction (452). */
    envelope: { perRecipient: 64, least: 72 * KiB, most: 384 * KiB },
    /** Waiting for a command: RFC 5321 §4.5.3.2.7: 5 minutes. */
    commandTimeout: 5 * minute,
    /** Waiting for a part of the body: RFC 5321 §4.5.3.2.5: 3 minutes. */
    bodyTimeout: 3 * minute,
    /** Bytes each of these waits must bring, so that a client that drips does not stay. */
    bodyBlock: 16 * KiB,
    /** A whole connection. */
    sessionTime: 2 * hour,
    connections: 12_000,
    connectionsPerAddress: 200,
    connectionsPerNetwork: 1000,
    /** New ones a minute. */
    ratePerAddress: 600,
    ratePerNetwork: 3000,
    /** Recipients that auth found deliverable, and how long that is believed: not as long as the command that removes one takes to
     * start. */
    remembered: { entries: 10_000, life: 250 },
    /** The same for whether a domain is one of ours. */
    localDomains: { entries: 10_000, life: 5 * second },
  },
  /** QMTP and QMQP: the envelope comes behind the message, so that this is kept until then. */
  counted: {
    /** Bytes of all such messages at a time, in a process; a client whose message does not fit now waits. */
    memory: 64 * MiB,
    /** What says to be longer is not read to its end; qmail's bound. */
    longest: 200_000_000,
    /** An address; qmail's bound. */
    address: 999,
    /** The recipients of a message as they come, and how many of them are answered at all. */
    envelope: 1 * MiB,
    answers: 10_000,
  },
  /** Handing messages to a QMQP server; times as qmail's. */
  qmqpc: {
    connect: 10 * second,
    io: 1 * minute,
    /** What it says. */
    answer: 8 * KiB,
  },
  remote: {
    /** RFC 5321 §4.5.3.2.1–6: floors are 5, 5, 5, 2 and 10 minutes; 3 for a block of the body, which sys/conn.ts bounds. */
    connect: 30 * second,
    greeting: 5 * minute,
    command: 5 * minute,
    dataStart: 2 * minute,
    dataEnd: 10 * minute,
    replyBytes: 64 * KiB,
    /** One line of a reply; RFC 5321 §4.5.3.1.5: 512. */
    replyLine: 8 * KiB,
    /** Finding a server that talks to us, all exchangers together. */
    connecting: 4 * minute,
    /** A transaction, or the talk before it, whatever its single waits are: against servers that drip. */
    whole: 1 * hour,
    /** RCPT commands of one transaction; RFC 5321 §4.5.3.1.8: every server takes 100. */
    recipients: 100,
    /** A connection that has done its work waits this long for more; so many per server and in all; messages on one connection. */
    idle: 5 * second,
    idlePerServer: 10,
    idleInAll: 50,
    messagesPerConnection: 100,
    /** Exchangers and addresses tried for one delivery. */
    exchangers: 20,
    addresses: 20,
  },
  imap: {
    /** A command line without its literals. RFC 9051 asks for at least 8192. */
    line: 64 * KiB,
    /** Literals of one command together; only the message of an APPEND may be larger. */
    literal: 64 * KiB,
    appendSize: 50 * MiB,
    /** RFC 9051 §5.4: at least 30 minutes. */
    idleTimeout: 30 * minute,
    loginTimeout: 1 * minute,
    badCommands: 20,
    mimeDepth: 50,
    mimeParts: 1000,
  },
  pop3: {
    /** RFC 2449 §4: 255 octets. */
    line: 255,
    /** RFC 1939 §3: at least 10 minutes. */
    idleTimeout: 10 * minute,
    badCommands: 20,
  },
  login: {
    attemptsPerConnection: 3,
    /** A connection on which nobody has logged in by then is closed, however busy it is. */
    connection: 3 * minute,
    /** A failed login is answered not before this. */
    failureDelay: 2 * second,
    userBytes: 320,
    passwordBytes: 1024,
    ticketLife: 30 * second,
    /** Tickets that wait to be redeemed. */
    tickets: 10_000,
    /** Passwords verified at a time (19 MiB each), and waiting for that; more are answered "try later". */
    verifications: 2,
    verificationsWaiting: 500,
    /** Logins remembered as right (login.remember), so that a client that connects again costs nothing. */
    remembered: 10_000,
  },
  gate: {
    connections: 10_000,
    connectionsPerAddress: 100,
    connectionsPerNetwork: 1000,
    ratePerAddress: 300,
    ratePerNetwork: 1500,
    /** When one side has closed, the other has this long to take what is left. */
    drain: 30 * second,
  },
  conn: {
    /** How long a peer may leave what we send unread; RFC 5321 §4.5.3.2.5 gives 3 minutes for a block of a body. */
    unread: 5 * minute,
    /** Bytes that are sent, or received while nobody reads, before the other side has to wait. */
    buffer: 16 * KiB,
    /** Bytes that one connection may bring in a turn of the event loop; the others have theirs before it may go on. */
    turn: 64 * KiB,
  },
  /** Where strangers make us fill buffers: the young are collected after so many bytes of new ones, everything when so many bytes more than
   * before are in use, or so many for each client, and more for those that left since, up to a bound; how often that is looked at, ms. */
  garbage: { young: 2 * MiB, old: 5 * MiB, each: 24 * KiB, look: 50, left: 16 * KiB, leftMost: 20 * MiB },
  tls: {
    handshake: 30 * second,
    /** Certificates and keys together, PEM; with the rest of the configuration they fit into one frame (talk.frame). */
    certificates: 768 * KiB,
  },
  /** The PROXY header must be there by then. */
  proxy: { header: 10 * second },
  admission: {
    /** Addresses, and networks, whose new connections of the last minute are known. */
    remembered: 20_000,
  },
  /** A connection that we have ended waits so long for the client's end, and throws away so much of what it still sends. */
  linger: { time: 30 * second, bytes: 1 * MiB },
  /** As above, for clients that were refused at once; of more than so many at a time the others are just closed. */
  refusal: { time: 5 * second, bytes: 64 * KiB, atATime: 500 },
  talk: {
    /** One frame between roles. */
    frame: 1 * MiB,
    /** Longest wait for another role's answer before the caller goes on with "try later". */
    answer: 30 * second,
    /** An injection or delivery may wait for disks and networks. */
    inject: 10 * minute,
    /** A role that does not listen yet is dialled this often, this long. */
    connectRetry: 50,
    connectPatience: 10 * second,
    /** A link that is kept up is made again after this. */
    connectRetryMax: 1 * second,
  },
  queue: {
    /** Bodies up to this many bytes live in the journal; larger ones in a file of their own. */
    inlineBody: 128 * KiB,
    segment: 16 * MiB,
    /** Bytes of one group commit. */
    batch: 4 * MiB,
    /** Progress and end records wait this long for a batch to go with. */
    noteDelay: 50,
    /** Segments nobody needs that are kept for their next life. */
    spareSegments: 4,
    /** Inline bodies on their way in, all together; what comes beyond goes to files at once. */
    draftMemory: 32 * MiB,
    /** Fields that are put in front of a message when it is whole; for large bodies they stand in the journal, apart. */
    front: 16 * KiB,
    lifetime: 7 * day,
    delayWarning: 4 * hour,
    /** Below this much free space new mail is answered 452. */
    freeSpace: 64 * MiB,
    statusText: 2000,
    /** Recipients of one delivery. */
    deliveryRecipients: 100,
    /** A delivery that takes longer makes its destination a slow one. */
    slow: 30 * second,
    /** What was learned of a destination that has had no mail for so long is forgotten. */
    windowKept: 5 * minute,
    /** Where nothing is to be delivered now (concurrency 0), mail asks again after this. */
    closed: 1 * minute,
    /** An attempt that takes longer has failed for now; remote tries many hosts with long waits. */
    attempt: 2 * hour,
    /** A link to local, remote or auth that was lost is tried again after this. */
    away: 1 * second,
    /** How long auth's answer whether a domain is local is believed. */
    localDomain: 5 * second,
    /** Bounces carry messages up to this size, and this much of the header of larger ones. */
    bounceCopy: 48 * KiB,
    bounceHeader: 16 * KiB,
  },
  /** Messages that go on to other addresses (aliases, groups, forwards). */
  forward: {
    /** Addresses that one recipient's message goes on to. */
    recipients: 10_000,
    /** Bytes of them; and of all that local says of one delivery, which goes into one frame. */
    addresses: 512 * KiB,
    answer: 768 * KiB,
    /** Delivered-To fields; with more of them a message is looping, whatever they say. */
    hops: 100,
  },
  dotqmail: {
    /** A .qmail file. Its addresses fit into one frame; `forward` says how many there may be. */
    file: 512 * KiB,
    /** Bytes of a message's header that are looked through for Delivered-To. */
    header: 1 * MiB,
    /** Waiting for the lock of an mbox. A FILE.lock this old belongs to a program that died. */
    lock: 30 * second,
    staleLock: 1024 * second,
    /** Of a program's output: what is kept, and what ends it. */
    output: 10_000,
    flood: 16 * MiB,
    /** After a program has ended, what it started may still write this long. */
    drain: 200,
  },
  lspawn: {
    /** Deliveries of one user that wait for the one under way, and users that wait for a worker; more are put off. All that may be under way or
     * wait here, programs of accounts too, must leave the queue (queue.local_concurrency) room for other mail. */
    waiting: 2,
    users: 100,
    /** How long a user waits for a worker. */
    turn: 10 * second,
    /** Deliveries that one worker makes. */
    deliveries: 50,
    /** Starting a worker, and sending it a message. */
    start: 30 * second,
    /** local waits so long: longer than the longest delivery and all that wait before it may take. */
    attempt: 90 * minute,
    /** How long it is believed which files an address has, and for how many; looks under way at a time, and waiting. */
    believed: 5 * second,
    entries: 10_000,
    looks: 4,
    looksWaiting: 200,
    /** Programs of accounts: how many run at a time, each under a number of its own, how many wait, and how many of those of one account. */
    programs: 8,
    programsWaiting: 16,
    programsOfAccount: 3,
    look: 5 * second,
    /** Keys of done lines of one delivery; bytes of a page of the record, of which there are two. */
    keys: 10_000,
    record: 1 * MiB,
    /** Files that say which users there are. */
    file: 64 * MiB,
  },
  directory: {
    /** Addresses that one account may send as. */
    senders: 900,
    /** Addresses that the mail of an account goes on to. */
    forwards: 100,
    /** Instructions (.qmail) of one address. */
    instructions: 64 * KiB,
    /** Mailboxes whose use local has told auth; how long auth believes it; how often local counts full ones anew. */
    usage: { entries: 100_000, life: 90 * second, recount: 30 * second },
  },
  drop: {
    /** The envelope of a message that a user of the machine has dropped, and its recipients. */
    head: 1 * MiB,
    recipients: 10_000,
    /** Messages of one user that may wait there. */
    perUser: 10_000,
    /** Looked into this often even when nothing seems to change. */
    poll: 30 * second,
    /** Messages taken at a time. */
    together: 16,
    /** Drafts older than this belong to programs that died. */
    draft: 1 * day,
    /** Files that were no messages and are kept. */
    aside: 100,
  },
  dns: {
    timeout: 5 * second,
    attempts: 3,
    /** Servers that are asked in turn. */
    servers: 3,
    records: 500,
    /** Answers are kept at most this long; "there is none" shorter, "later" never. */
    cacheEntries: 10_000,
    cacheFor: 1 * minute,
    cacheNoneFor: 15 * second,
  },
  sts: {
    /** RFC 8461 §3.3 suggests 64 KiB and one minute; mail waits for it, so less. */
    policyBytes: 64 * KiB,
    fetch: 30 * second,
    /** RFC 8461 §3.2: about a year. */
    maxAge: 31_557_600,
    /** A domain whose policy could not be fetched is not asked again before this (RFC 8461 §3.3). */
    retry: 5 * minute,
    /** Policies are looked over this often, and fetched again when they are as old as this or half of their max_age. */
    lookOver: 1 * hour,
    refresh: 24 * hour,
    domains: 10_000,
    /** Patterns of one policy. */
    patterns: 100,
    /** How long remote waits for an answer: TXT, addresses and the policy. */
    answer: 50 * second,
  },
  tlsrpt: {
    /** Results of one day. */
    domains: 10_000,
    policies: 8,
    details: 50,
    /** Parts of one policy, and exchangers in it. */
    strings: 110,
    fileBytes: 64 * MiB,
    /** Results are written this often. */
    flush: 5 * minute,
    /** Reports go out within so long after midnight, each site at its own time. */
    spread: 4 * hour,
    /** Places of each kind, addresses or URLs, that one report goes to. */
    recipients: 5,
    /** A report as a message. */
    message: 4 * MiB,
  },
  cdb: {
    /** Data of a record that is read from a file in parts: one that claims more is taken for damage. */
    data: 1 * MiB,
    /** Slots of a table read at a time: first few, because most look-ups end there, then more and more up to this. */
    slots: 512,
  },
  rules: {
    /** A file of rules as text, and compiled; a million rules are about 25 MiB and 55 MiB. */
    text: 64 * MiB,
    compiled: 128 * MiB,
    /** Bytes of a directory of entries whose names are kept in memory: some 5,000 names. */
    directory: 128 * KiB,
    /** Problems of one file that are told one by one; of the others only how many there are. */
    problems: 100,
    /** A change of the file this short before it was read may have left its time stamp as it was: it is read once more. */
    settle: 2 * second,
    /** GREETDELAY; RFC 5321 §4.5.3.2.1: clients wait 5 minutes for the greeting. */
    greetDelay: 5 * minute,
  },
  site: {
    /** Files of site rules, and bytes of one. */
    files: 50,
    file: 256 * KiB,
    /** A call that takes longer is skipped, and its thread thrown away. */
    time: 500,
    /** MiB of the thread's heap. */
    memory: 64,
    /** Calls in a row by which a rule has lost its thread: it is off until its file changes. */
    lost: 3,
    /** What a rule may say: characters of its texts, points up or down, ms that a client waits. */
    text: 400,
    points: 20,
    slow: 30 * second,
  },
  feeds: {
    /** Bytes of an archive of a feed as it comes, and unpacked; an entry takes 512 bytes of it. */
    archive: 64 * MiB,
    unpacked: 256 * MiB,
    file: 16 * MiB,
    /** Entries of one feed. */
    entries: 200_000,
    /** Feeds of a site: each costs every session a look at its directories. */
    feeds: 20,
    /** For everything that is fetched, and for redirections. */
    time: 2 * minute,
    redirections: 5,
    /** An update that has less than this part of the entries before waits for the administrator. */
    shrunk: 0.5,
  },
  policy: {
    /** A fact that takes longer is not known; a rule that takes longer is skipped. */
    fact: 12 * second,
    rule: 30 * second,
    /** Bytes of the file of exceptions. */
    exceptions: 4 * MiB,
    /** Characters of the comment of one, and the last time at which one may end: the year 9999. */
    comment: 500,
    latest: 253_370_764_800_000,
    /** Multiparts and messages within each other. Forwards of forwards have ten levels; virus scanners stop at about twenty. */
    mimeDepth: 30,
    /** The largest Content-Type that is looked through for its boundary. */
    contentType: 8 * KiB,
  },
  content: {
    /** One line of clamd; a response of rspamd, with all its symbols; a packet of a milter, with one field. */
    answerLine: 4 * KiB,
    answer: 1 * MiB,
    packet: 64 * KiB,
    /** Fields that one checker adds. All fields together: queue.front. */
    fields: 50,
  },
  iprev: {
    /** Names of one client that are tried. */
    names: 10,
    /** For the PTR question, and again for the addresses of the names. */
    time: 10 * second,
    /** When one name is verified, the others have this long. */
    others: 1 * second,
  },
  spf: {
    /** RFC 7208 §4.6.4: terms of all records of a check that look names up; those that find nothing. */
    lookups: 10,
    voids: 2,
    /** RFC 7208 §4.6.4: MX records of one term (more are an error); names of the client (more are left out). */
    exchangers: 10,
    names: 10,
    /** A whole check. RFC 7208 §4.6.4: at least 20 seconds. */
    time: 20 * second,
    /** Characters of a domain's explanation that are kept. */
    explanation: 400,
  },
  dnsbl: {
    /** Entries of the configuration. */
    lists: 100,
    /** Of one entry, black or white. */
    weight: 1000,
    /** For one question; for the text of a listing, which is only an ornament. */
    time: 4 * second,
    textTime: 2 * second,
    /** Characters of a listing's text that are kept. */
    text: 200,
    /** A list is proved by its canaries before its first use, then this often. */
    proveEvery: 10 * minute,
    /** A listing is believed when the last proof is no older than this. */
    believe: 1 * minute,
    /** A list that gives wrong answers stays off for this long, twice as long each time, at most `lyingMost`. */
    lyingFor: 1 * hour,
    lyingMost: 1 * day,
    /** The same for one that gives none; so long it also waits between proofs that got no answer. */
    silentFor: 30 * second,
    silentMost: 10 * minute,
    /** Unanswered questions that switch a list off; an answer takes back half a one. */
    failures: 5,
  },
  results: {
    /** Characters of a comment or reason in Authentication-Results; of a property's value, which no address exceeds. */
    text: 200,
    value: 512,
  },
  ledger: {
    /** Entries of each table; what is full forgets what was not used for longest. */
    subjects: 60_000,
    waiting: 100_000,
    passed: 50_000,
    bans: 10_000,
    correspondents: 100_000,
    letters: 30_000,
    /** A key that is longer is kept as its hash. */
    key: 80,
    /** One record of the memory file. */
    record: 64 * KiB,
    /** Changes gather so long before they are written together. */
    gather: 500,
    /** After a disk that refused, the next try. */
    retry: 5 * second,
    /** Changes take at least so much of the file before a new one is begun. */
    changes: 4 * MiB,
    /** A file of session records, and lines that wait while the disk is away. */
    sessionFile: 8 * MiB,
    sessionsWaiting: 1 * MiB,
    /** smtpd goes on without the ledger after this, and asks again after that. */
    patience: 250,
    away: 1 * second,
    /** Notes of smtpd on their way; more are dropped and counted. */
    notes: 1000,
    note: 10 * second,
    /** Of what became of messages: told together at most, on their way at most (more are not told), and gathered for so long. */
    fates: 500,
    fatesWaiting: 10_000,
    fatesGather: 500,
    /** An id of a session, or of a message. */
    id: 64,
    /** Of a session record: recipients and refusals; characters of what a rule saw, and of a reply. */
    listed: 20,
    evidence: 300,
    reply: 400,
    /** Reputation loses half of itself in this time, guesses in that. */
    reputationHalf: 14 * day,
    guessHalf: 1 * hour,
    /** A session that brings mail counts once in this time. */
    goodEvery: 1 * hour,
    /** A subject of which nothing was heard for so long is forgotten; its traps and bans sooner. */
    subjectLife: 90 * day,
    trapLife: 30 * day,
    passedLife: 36 * day,
    /** How long it is known who has brought a message. */
    letterLife: 30 * day,
    correspondentLife: 180 * day,
    /** Bans of our own last at most this long. */
    banMost: 1 * day,
    /** Guesses that get an address, or a network, banned. */
    guessesBan: 60,
    guessesBanNetwork: 240,
  },
  rejects: {
    /** Of a message, to know which one it is. */
    header: 64 * KiB,
    /** When all mailboxes are gone through: after the start, and then. */
    first: 1 * minute,
    every: 6 * hour,
  },
  log: { line: 4096, size: 16 * MiB, files: 20, buffered: 1 * MiB },
} as const;
