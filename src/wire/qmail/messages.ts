// What qmail's queue says of a message: info, local, remote and todo (INTERNALS). Records end with NUL; addresses are without quotes, bytes,
// one a character.

import { err, ok, type Result } from "#base/result.ts";

/** Records of a file; an error when the last one has no end. */
function records(bytes: Buffer): Result<readonly string[]> {
  const text = bytes.toString("latin1");
  if (text !== "" && !text.endsWith("\0")) return err("its last record has no end");
  return ok(text.split("\0").slice(0, -1));
}

/** info/N: the sender. */
export function parseInfo(bytes: Buffer): Result<string> {
  const found = records(bytes);
  if (!found.ok) return found;
  const [sender = ""] = found.value;
  return sender.startsWith("F") ? ok(sender.slice(1)) : err("it has no sender");
}

/** local/N, remote/N: recipients that still wait (T), without those that are done (D). */
export function parseWaiting(bytes: Buffer): Result<readonly string[]> {
  const found = records(bytes);
  if (!found.ok) return found;
  if (!found.value.every((each) => /^[TD]/.test(each))) return err("it has what is no recipient");
  return ok(found.value.filter((each) => each.startsWith("T")).map((each) => each.slice(1)));
}

export interface Todo {
  readonly sender: string;
  readonly recipients: readonly string[];
}

/** todo/N: user and process, sender, recipients. */
export function parseTodo(bytes: Buffer): Result<Todo> {
  const found = records(bytes);
  if (!found.ok) return found;
  const sender = found.value.find((each) => each.startsWith("F"));
  if (sender === undefined || !found.value.every((each) => /^[upFT]/.test(each)))
    return err("it is no envelope");
  return ok({
    sender: sender.slice(1),
    recipients: found.value.filter((each) => each.startsWith("T")).map((each) => each.slice(1)),
  });
}
