// Listing: messages of the queue one after the other, for people, for programs, and as mailq and qmail-qread print them. A large queue
// is printed page by page, never held as a whole.

import type { QueuedMessage, QueuedRecipient } from "#talk/queuecontrol.ts";
import { print } from "./call.ts";
import { usage } from "./exit.ts";
import { formatAge, formatSize, formatTime, harmless } from "./text.ts";

export interface Listing {
  message(message: QueuedMessage): void;
  end(): void;
}

const formats: Readonly<Record<string, () => Listing>> = {
  text: () => new TextListing(),
  mailq: () => new MailqListing(),
  qmail: () => new QmailListing(),
};

/** A listing in the format that was asked for. Refusal when there is none of that name. */
export function listingOf(json: boolean, format: unknown = "text"): Listing {
  const make = Object.hasOwn(formats, String(format)) ? formats[String(format)] : undefined;
  if (!make) throw usage(`Cannot use --format "${format}": give one of ${Object.keys(formats).join(", ")}`);
  return json ? new JsonListing() : make();
}

class JsonListing implements Listing {
  #separator = "[";

  message(message: QueuedMessage): void {
    process.stdout.write(`${this.#separator}\n${JSON.stringify(message)}`);
    this.#separator = ",";
  }

  end(): void {
    print(this.#separator === "[" ? "[]" : "\n]");
  }
}

/** How a recipient is, in a few words. */
export function standing({ state, attempts, next }: Omit<QueuedRecipient, "address">, held: boolean): string {
  const word = state === "waiting" && held ? "held" : state;
  const due = state === "waiting" && next > Date.now() ? `, next in ${formatAge(next - Date.now())}` : "";
  return `${word}, ${attempts} attempt${attempts === 1 ? "" : "s"}${due}`;
}

class TextListing implements Listing {
  #count = 0;

  message({ id, sender, size, state, arrived, recipients }: QueuedMessage): void {
    this.#count++;
    const held = state === "held";
    const more = held ? "  held" : "";
    print(`${id}  ${formatTime(arrived)}  ${formatSize(size)}  from <${harmless(sender)}>${more}`);
    for (const recipient of recipients) {
      const { address, status, reason } = recipient;
      print(`    <${harmless(address)}>  ${standing(recipient, held)}`);
      if (reason !== "") print(`        ${harmless(`${status} ${reason}`.trim())}`);
    }
  }

  end(): void {
    if (this.#count === 0) print("The queue is empty");
    else print(`${this.#count} message${this.#count === 1 ? "" : "s"}`);
  }
}

/** Nothing is to be done for such a recipient any more. */
const isDone = (state: QueuedRecipient["state"]): boolean => state !== "waiting" && state !== "delivering";

const two = (number: number) => String(number).padStart(2, "0");
const days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** As postqueue -p with long queue ids: "*" behind the id of what is being delivered, "!" behind that of what is held. */
class MailqListing implements Listing {
  #count = 0;
  #bytes = 0;

  message({ id, sender, size, state, arrived, recipients }: QueuedMessage): void {
    if (this.#count++ === 0) print("-Queue ID-        --Size-- ---Arrival Time---- --Sender/Recipient------");
    this.#bytes += size;
    const mark = { running: "*", held: "!", deferred: "", waiting: "" }[state];
    const at = new Date(arrived);
    const time = [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(":");
    const date = `${days[at.getDay()]} ${months[at.getMonth()]} ${two(at.getDate())} ${time}`;
    const from = sender === "" ? "MAILER-DAEMON" : harmless(sender);
    print(`${`${id}${mark}`.padEnd(17)} ${String(size).padStart(8)} ${date} ${from}`);
    let before = "";
    for (const { address, state: each, reason } of recipients) {
      if (isDone(each)) continue;
      // Postfix says it once for all recipients that follow
      if (reason !== "" && reason !== before) print(`(${harmless(reason)})`.padStart(78));
      before = reason;
      print(`${" ".repeat(46)} ${harmless(address)}`);
    }
    print("");
  }

  end(): void {
    const requests = `${this.#count} Request${this.#count === 1 ? "" : "s"}`;
    if (this.#count === 0) print("Mail queue is empty");
    else print(`-- ${Math.ceil(this.#bytes / 1024)} Kbytes in ${requests}.`);
  }
}

/** As qmail-qread, in GMT like it; where it has local or remote we do not know, and say remote. */
class QmailListing implements Listing {
  message({ id, sender, size, arrived, recipients }: QueuedMessage): void {
    const at = new Date(arrived);
    const day = `${at.getUTCDate()} ${months[at.getUTCMonth()]} ${at.getUTCFullYear()}`;
    const time = [at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()].map(two).join(":");
    print(`${day} ${time} GMT  #${id}  ${size}  <${harmless(sender)}> `);
    for (const { address, state } of recipients) {
      const done = isDone(state) ? "  done" : "";
      print(`${done}\tremote\t${harmless(address)}`);
    }
  }

  end(): void {
    // qmail-qread counts nothing
  }
}
