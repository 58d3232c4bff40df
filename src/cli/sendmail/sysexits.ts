// How sendmail ends: the codes of sysexits.h, which programs that call it know.

export const sysexits = {
  ok: 0,
  /** The command line is wrong. */
  usage: 64,
  /** The input is wrong. */
  data: 65,
  /** A recipient's address is none. */
  noUser: 67,
  /** This cannot be done, now or later. */
  unavailable: 69,
  /** Try later. */
  temporary: 75,
  noPermission: 77,
  /** There is no server here, or none that takes mail. */
  config: 78,
} as const;

export type Sysexit = (typeof sysexits)[keyof typeof sysexits];

/** Ends with a code and one sentence. */
export class Ending extends Error {
  override readonly name = "Ending";
  readonly code: Sysexit;

  constructor(code: Exclude<keyof typeof sysexits, "ok">, sentence: string) {
    super(sentence);
    this.code = sysexits[code];
  }
}
