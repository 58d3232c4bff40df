// kenro sendmail, and the names sendmail, mailq and newaliases: what programs on a Unix machine expect of a mail server (docs/sendmail.md).

import { codeOf, messageOf } from "#base/problem.ts";
import { type Call, complain, print } from "../call.ts";
import { Refusal } from "../exit.ts";
import { namedRecipients, prepared, readMessage, send } from "../sendmail/deliver.ts";
import { findHost, hostDirectory } from "../sendmail/host.ts";
import { type Options, parseOptions } from "../sendmail/options.ts";
import { SmtpSession } from "../sendmail/session.ts";
import { Ending, type Sysexit, sysexits } from "../sendmail/sysexits.ts";

/** Runs with the words behind the name; never throws. */
export async function sendmail(name: string, words: readonly string[]): Promise<Sysexit> {
  try {
    return await run(parseOptions(words));
  } catch (thrown) {
    complain(`${name}: ${messageOf(thrown)}`);
    if (thrown instanceof Ending) return thrown.code;
    const refused = thrown instanceof Refusal && thrown.code !== 111;
    const closed = codeOf(thrown) === "EACCES" || codeOf(thrown) === "EPERM";
    // nothing surprising is permanent
    return refused || closed ? sysexits.noPermission : sysexits.temporary;
  }
}

async function run(options: Options): Promise<Sysexit> {
  const directory = hostDirectory(options.directory);
  switch (options.mode) {
    case "deliver":
      return deliver(options, directory);
    case "smtp":
      await new SmtpSession(await findHost(directory), (text) => process.stdout.write(text)).run(
        process.stdin,
      );
      return sysexits.ok;
    case "list":
      await (await import("./queue.ts")).list(asCall(directory, { format: "mailq" }));
      return sysexits.ok;
    case "flush":
      await (await import("./queue.ts")).retry(asCall(directory, {}));
      return sysexits.ok;
    case "aliases":
      print("Kenro has no file of aliases that would have to be rebuilt");
      return sysexits.ok;
    default:
      return options.mode satisfies never;
  }
}

async function deliver(options: Options, directory: string): Promise<Sysexit> {
  const host = await findHost(directory);
  // wrong addresses are told before anybody waits for input
  const named = namedRecipients(options.recipients, host);
  if (named.length === 0 && !options.readHeader)
    throw new Ending("usage", "No recipients: name some, or use -t to take those of the header");
  const input = await readMessage(process.stdin, host.maxSize, options.dotEnds);
  const outgoing = prepared(input, host, options);
  let recipients = named;
  if (options.readHeader) {
    if (!outgoing.recipients.ok) throw new Ending("data", outgoing.recipients.error);
    recipients = [...named, ...outgoing.recipients.value];
  }
  await send(host, outgoing, { ...options, recipients });
  return sysexits.ok;
}

const asCall = (directory: string, options: Call["options"]): Call => ({
  directory,
  given: directory,
  json: false,
  args: [],
  options,
});
