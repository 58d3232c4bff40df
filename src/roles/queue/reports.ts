// What tlspolicy may put into the queue: its reports and nothing else, so that its thief cannot write in other names.

import { limits } from "#base/limits.ts";
import type { InjectHead, Intake } from "#talk/inject.ts";

/** An intake that takes small messages from `reporter` only, to a few, with nothing asked for. */
export function onlyReports(intake: Intake, reporter: () => string): Intake {
  const mayCome = ({ envelope }: InjectHead): boolean => {
    const { sender, body, submitted, recipients, ...wishes } = envelope;
    return (
      sender !== "" &&
      sender === reporter() &&
      body === "7bit" &&
      !submitted &&
      recipients.length <= limits.tlsrpt.recipients &&
      recipients.every(({ notify, original }) => notify?.length === 0 && original === undefined) &&
      Object.values(wishes).every((wish) => wish === undefined)
    );
  };
  return {
    prefix: () => intake.prefix(),
    trouble: (message) => intake.trouble(message),
    begin: (head) => {
      if (!mayCome(head)) return { kind: "refused", reason: "never", text: "Only reports come this way" };
      const draft = intake.begin(head);
      if ("kind" in draft) return draft;
      let size = 0;
      return {
        write: (chunk) => {
          size += chunk.length;
          return size > limits.tlsrpt.message ? undefined : draft.write(chunk);
        },
        commit: async (fields) => {
          if (size <= limits.tlsrpt.message && fields === "") return draft.commit(fields);
          draft.abort();
          return { kind: "refused", reason: "never", text: "A report is smaller than this" };
        },
        abort: () => draft.abort(),
      };
    },
  };
}
