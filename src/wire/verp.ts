// Verp: senders of qmail's mailing lists. `pre@host-@[]` in the queue stands for another sender for each recipient on the wire, so that
// a bounce tells whose address it is about. The form itself never leaves the queue.

const MARK = "-@[]";

/** Whether a sender stands for one sender per recipient. */
export const isVerp = (sender: string): boolean =>
  sender.endsWith(MARK) && sender.slice(0, -MARK.length).includes("@");

/** `list-@host-@[]` and `ann@example.org` → `list-ann=example.org@host`; other senders as they are. */
export function senderFor(sender: string, recipient: string): string {
  if (!isVerp(sender)) return sender;
  const base = sender.slice(0, -MARK.length);
  const [at, end] = [base.lastIndexOf("@"), recipient.lastIndexOf("@")];
  const whose = end < 0 ? "" : `${recipient.slice(0, end)}=${recipient.slice(end + 1)}`;
  return `${base.slice(0, at)}${whose}${base.slice(at)}`;
}

/** Where our own reports about such a message go: `list-@host`. */
export const reportTo = (sender: string): string => (isVerp(sender) ? sender.slice(0, -MARK.length) : sender);
