// How a command ends: the exit codes of the contract, and the errors that carry one.

/** 0: done. 1: no. 2: wrong usage. 111: may work later (as qmail). */
export type ExitCode = 0 | 1 | 2 | 111;

/** The answer is no, with one sentence that says what to do next. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly code: ExitCode;

  constructor(sentence: string, code: ExitCode = 1) {
    super(sentence);
    this.code = code;
  }
}

/** The command was called in a way it does not understand. */
export const usage = (sentence: string): Refusal => new Refusal(sentence, 2);
