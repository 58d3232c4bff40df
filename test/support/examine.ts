// One message before one checker, as smtpd shows it.

import { systemClock } from "#base/clock.ts";
import type { ContentSlice } from "#config/slice.ts";
import type { Checker, Subject } from "#roles/smtpd/content/checker.ts";
import { checkersOf } from "#roles/smtpd/content/checkers.ts";
import { Examination, type Outcome } from "#roles/smtpd/content/examination.ts";

const standard: ContentSlice = {
  name: "it",
  kind: "clamav",
  address: "",
  timeout: 10_000,
  onError: "defer",
  mode: "enforce",
  classes: ["mx"],
};

export function checker(given: Partial<ContentSlice>): Checker {
  const [made] = checkersOf([{ ...standard, ...given }], systemClock);
  if (!made) throw new Error("Bug: no checker");
  return made;
}

export const subject: Subject = {
  session: "s1",
  id: "m-1",
  hostname: "mail.example.test",
  listener: "mx",
  client: { address: "192.0.2.7", port: 40_000, name: "c.example.test" },
  hello: "helo.example.test",
  sender: "a@far.test",
  recipients: ["ann@example.test", "bob@example.test"],
  user: undefined,
  tls: undefined,
  header: Buffer.from("From: a@far.test\r\nSubject: two\r\n  lines\r\n\r\n"),
};

/** What the checker says of a message whose body comes in these parts. */
export async function examine(
  one: Checker,
  parts: readonly (string | Buffer)[] = ["body\r\n"],
  changes: Partial<Subject> = {},
): Promise<Outcome> {
  const examination = new Examination(one, { ...subject, ...changes }, systemClock);
  for (const part of parts) await examination.write([Buffer.from(part)]);
  return examination.finish();
}
