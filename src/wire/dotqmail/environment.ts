// What a delivery is told of its message: the lines in front of it, the sender of what is forwarded, the variables of programs
// (qmail-command(8)).

/** Who a delivery is for. */
export interface Target {
  /** The user's name. */
  readonly user: string;
  readonly home: string;
  /** The address, as it was after rewriting: `local@host`. */
  readonly local: string;
  readonly host: string;
  /** "", "-", or what users/assign says. */
  readonly dash: string;
  readonly extension: string;
}

/** The sender of a double bounce, which stands in queues and variables only. */
const DOUBLE = "#@[]";

export const deliveredTo = (local: string, host: string): string =>
  `Delivered-To: ${`${local}@${host}`.replaceAll("\n", "_")}\n`;

export const returnPath = (sender: string): string =>
  `Return-Path: <${quoteAddress(sender).replaceAll("\n", "_")}>\n`;

/** The line that begins a message in an mbox. */
export function fromLine(sender: string, now: number): string {
  const who = sender === "" ? "MAILER-DAEMON" : sender.replaceAll(/[ \t\n]/g, "-");
  return `From ${who} ${ctime(now)}\n`;
}

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** `Thu Nov 09 08:07:06 2006`, in UTC. */
function ctime(now: number): string {
  const at = new Date(now);
  const two = (value: number) => String(value).padStart(2, "0");
  const time = [at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()].map(two).join(":");
  return `${DAYS[at.getUTCDay()]} ${MONTHS[at.getUTCMonth()]} ${two(at.getUTCDate())} ${time} ${at.getUTCFullYear()}`;
}

/** Characters of a local part that need no quotes; dots neither, but at the ends and doubled. */
const PLAIN = /^[!#$%&'*+\-./0-9=?A-Z^_`a-z{|}~]+$/;

/** RFC 821 with as few quotes as can be, as qmail does it. */
export function quoteAddress(address: string): string {
  if (address === "") return "";
  const at = address.lastIndexOf("@");
  const local = at < 0 ? address : address.slice(0, at);
  const plain = PLAIN.test(local) && !/^\.|\.$|\.\./.test(local);
  const quoted = plain ? local : `"${local.replaceAll(/[\r\n"\\]/g, "\\$&")}"`;
  return at < 0 ? quoted : `${quoted}${address.slice(at)}`;
}

/** Which of the files exist beside the .qmail file: nothing, `-owner`, and `-owner-default` too. */
export type Owner = "none" | "owner" | "verp";

/** The sender of what is forwarded. */
export function newSender(
  sender: string,
  { local, host }: Pick<Target, "local" | "host">,
  owner: Owner,
): string {
  if (sender === "" || sender === DOUBLE) return sender;
  switch (owner) {
    case "none":
      return sender;
    case "owner":
      return `${local}-owner@${host}`;
    case "verp":
      return `${local}-owner-@${host}-@[]`;
    default:
      return owner satisfies never;
  }
}

export interface Letterhead {
  readonly sender: string;
  readonly newSender: string;
  /** What "default" stands for; undefined: the file has another name. */
  readonly default: string | undefined;
  /** ms since 1970. */
  readonly now: number;
}

/** The variables of programs, but for PATH. */
export function variablesFor(target: Target, letterhead: Letterhead): Readonly<Record<string, string>> {
  const { user, home, local, host, extension } = target;
  const second = behindDash(extension);
  const third = behindDash(second);
  const host2 = beforeDot(host);
  const host3 = beforeDot(host2);
  return {
    HOST: host,
    HOME: home,
    USER: user,
    LOCAL: local,
    RECIPIENT: `${local}@${host}`,
    DTLINE: deliveredTo(local, host),
    SENDER: letterhead.sender,
    RPLINE: returnPath(letterhead.sender),
    UFLINE: fromLine(letterhead.sender, letterhead.now),
    EXT: extension,
    EXT2: second,
    EXT3: third,
    EXT4: behindDash(third),
    HOST2: host2,
    HOST3: host3,
    HOST4: beforeDot(host3),
    NEWSENDER: letterhead.newSender,
    ...(letterhead.default === undefined ? {} : { DEFAULT: letterhead.default }),
  };
}

/** What is behind the first hyphen; without one: nothing. */
function behindDash(text: string): string {
  const dash = text.indexOf("-");
  return dash < 0 ? "" : text.slice(dash + 1);
}

/** What is before the last dot; without one: all of it. */
function beforeDot(text: string): string {
  const dot = text.lastIndexOf(".");
  return dot < 0 ? text : text.slice(0, dot);
}
