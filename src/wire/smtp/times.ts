// When a sender wants a message to be delivered: BY (RFC 2852 §4), HOLDFOR and HOLDUNTIL (RFC 4865 §3).

export interface DeliverBy {
  /** Seconds from now; may be past (only to be told of it). */
  readonly seconds: number;
  /** What happens when the time is over. */
  readonly mode: "return" | "notify";
  /** Every server on the way tells that it passed the message on. */
  readonly trace: boolean;
}

/** `120;R`, `-5;NT`; undefined when it is none. RFC 2852 §4: a message that shall be returned needs time left. */
export function parseDeliverBy(value: string): DeliverBy | undefined {
  const [, time = "", mode = "", trace = ""] = /^([+-]?\d{1,9});([NR])(T?)$/i.exec(value) ?? [];
  if (time === "") return undefined;
  // no −0
  const seconds = Number(time) || 0;
  if (mode.toUpperCase() === "N") return { seconds, mode: "notify", trace: trace !== "" };
  return seconds > 0 ? { seconds, mode: "return", trace: trace !== "" } : undefined;
}

/** HOLDFOR: seconds, 1 to 999,999,999. */
export function parseHoldFor(value: string): number | undefined {
  return /^[1-9]\d{0,8}$/.test(value) ? Number(value) : undefined;
}

const DATE_TIME = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/i;

/** HOLDUNTIL: a moment as RFC 3339 §5.6 writes it, in ms since 1970. */
export function parseHoldUntil(value: string): number | undefined {
  const [, date = "", time = "", fraction = "", zone = ""] = DATE_TIME.exec(value) ?? [];
  if (date === "") return undefined;
  const local = Date.parse(`${date}T${time}Z`);
  // 30 February is no date, but V8 makes one of it
  if (Number.isNaN(local) || new Date(local).toISOString().slice(0, 19) !== `${date}T${time}`)
    return undefined;
  const moment = Date.parse(`${date}T${time}${fraction.slice(0, 4)}${zone.toUpperCase()}`);
  return Number.isNaN(moment) ? undefined : moment;
}

/** RFC 3339 §5.6, to the second. */
export const formatDateTime = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;
