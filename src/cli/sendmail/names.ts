// Names under which mail programs of Unix are called: `kenro NAME`, and links to bin/sendmail.

/** A program that ends as its model does, and the words that a name stands for. */
export interface Name {
  readonly program: "sendmail" | "inject" | "qmqpc";
  readonly words: readonly string[];
}

/** Names under which we may be called. */
export const names: Readonly<Record<string, Name>> = {
  sendmail: { program: "sendmail", words: [] },
  mailq: { program: "sendmail", words: ["-bp"] },
  newaliases: { program: "sendmail", words: ["-bi"] },
  inject: { program: "inject", words: [] },
  "qmail-inject": { program: "inject", words: [] },
  qmqpc: { program: "qmqpc", words: [] },
  "qmail-qmqpc": { program: "qmqpc", words: [] },
};

/** What a first word stands for, when it is one of these names. */
export const findName = (word: string | undefined): Name | undefined =>
  word !== undefined && Object.hasOwn(names, word) ? names[word] : undefined;
