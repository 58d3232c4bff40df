// Names under which sendmail is called: `kenro NAME`, and links to bin/sendmail.

/** Names under which we may be called, and the words that they stand for. */
export const names: Readonly<Record<string, readonly string[]>> = {
  sendmail: [],
  mailq: ["-bp"],
  newaliases: ["-bi"],
};

/** Whether a first word is one of these names. */
export const isSendmail = (word: string | undefined): word is string =>
  word !== undefined && Object.hasOwn(names, word);
