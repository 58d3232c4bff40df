// Milter: a filter is told everything of the session and the message, step by step, as sendmail and Postfix tell it, but all of it when the
// message comes: what it says of the client, the sender or a recipient is said of the message.

import { limits } from "#base/limits.ts";
import { Trouble } from "#base/problem.ts";
import { isChange, type MilterAnswer, parseAnswer } from "#wire/milter/answer.ts";
import {
  BODY_CHUNK,
  formatBody,
  formatConnect,
  formatData,
  formatEndOfHeader,
  formatEndOfMessage,
  formatHeader,
  formatHelo,
  formatMacros,
  formatMail,
  formatQuit,
  formatRcpt,
} from "#wire/milter/command.ts";
import { actions, formatOffer, type Negotiated, parseNegotiation, steps } from "#wire/milter/negotiation.ts";
import { PacketReader } from "#wire/milter/packet.ts";
import { rawFields } from "../header.ts";
import { type AddedField, clean, type Dialogue, type Finding, refuse, type Subject } from "./checker.ts";
import { Service, type ServiceOptions } from "./service.ts";

/** SMFIC_DATA is not known before. */
const DATA_SINCE = 4;

/** A step of the conversation. */
interface Step {
  readonly packet: Buffer;
  /** The filter does not want it. */
  readonly no: number;
  /** The filter does not answer it. */
  readonly silent: number;
  /** Letter of the step, and the macros that go before it. */
  readonly macros?: readonly [letter: string, values: Readonly<Record<string, string | undefined>>];
}

export class MilterDialogue implements Dialogue {
  readonly #subject: Subject;
  readonly #service: Service;
  readonly #packets = new PacketReader(limits.content.packet);
  #agreed: Negotiated = { version: 0, actions: 0, steps: 0 };
  /** It wants no more of the body. */
  #skips = false;

  constructor(subject: Subject, options: ServiceOptions) {
    this.#subject = subject;
    this.#service = new Service(options);
  }

  async begin(): Promise<Finding | undefined> {
    this.#agreed = await negotiate(this.#service, this.#packets);
    this.#skips = (this.#agreed.steps & steps.noBody) !== 0;
    for (const step of this.#opening()) {
      const finding = await this.#take(step);
      if (finding) return this.#over(finding);
    }
    return undefined;
  }

  async part(bytes: Buffer): Promise<Finding | undefined> {
    for (let at = 0; at < bytes.length && !this.#skips; at += BODY_CHUNK) {
      const packet = formatBody(bytes.subarray(at, at + BODY_CHUNK));
      const finding = await this.#take({ packet, no: steps.noBody, silent: steps.silentBody });
      if (finding) return this.#over(finding);
    }
    return undefined;
  }

  async end(): Promise<Finding> {
    await this.#service.send(formatMacros("E", { i: this.#subject.id }), formatEndOfMessage());
    const fields: AddedField[] = [];
    let held: string | undefined;
    let answer = await this.#answer();
    for (; isChange(answer); answer = await this.#answer()) {
      if (answer.kind === "addHeader") {
        this.#permit(actions.addHeader, "adds a field");
        if (fields.length >= limits.content.fields)
          throw new Trouble("ask a milter", "It adds too many fields");
        fields.push([answer.name, answer.value]);
      } else if (answer.kind === "quarantine") {
        this.#permit(actions.quarantine, "quarantines the message");
        held = answer.why;
      }
    }
    const finding = findingOf(answer);
    if (finding?.kind === "refuse") return this.#over(finding);
    // we have no place where a message waits for a human: its sender hears of it
    if (held !== undefined) return this.#over(refuse("Held back by a filter", `quarantine: ${held}`));
    return this.#over(clean(answer.kind, fields));
  }

  close(): void {
    this.#service.close();
  }

  async #over(finding: Finding): Promise<Finding> {
    await this.#service.finish(formatQuit());
    return finding;
  }

  *#opening(): Iterable<Step> {
    const { client, hello, sender, recipients, hostname, listener, user, tls, id } = this.#subject;
    const name = client.name === "" ? `[${client.address || "unknown"}]` : client.name;
    const connect = {
      j: hostname,
      v: "Kenro",
      _: client.name === "" ? name : `${client.name} [${client.address}]`,
      "{daemon_name}": listener,
      "{client_name}": client.name === "" ? "unknown" : client.name,
      "{client_addr}": client.address,
      "{client_port}": String(client.port),
    };
    yield {
      packet: formatConnect(name, client.address, client.port),
      no: steps.noConnect,
      silent: steps.silentConnect,
      macros: ["C", connect],
    };
    const secured = { "{tls_version}": tls?.version, "{cipher}": tls?.cipher };
    yield {
      packet: formatHelo(hello),
      no: steps.noHelo,
      silent: steps.silentHelo,
      macros: ["H", secured],
    };
    const mail = { i: id, "{mail_addr}": sender, "{auth_authen}": user };
    yield {
      packet: formatMail(sender),
      no: steps.noMail,
      silent: steps.silentMail,
      macros: ["M", mail],
    };
    for (const recipient of recipients)
      yield {
        packet: formatRcpt(recipient),
        no: steps.noRcpt,
        silent: steps.silentRcpt,
        macros: ["R", { "{rcpt_addr}": recipient }],
      };
    if (this.#agreed.version >= DATA_SINCE)
      yield { packet: formatData(), no: steps.noData, silent: steps.silentData, macros: ["T", { i: id }] };
    yield* this.#header();
    yield { packet: formatEndOfHeader(), no: steps.noEoh, silent: steps.silentEoh, macros: ["N", { i: id }] };
  }

  *#header(): Iterable<Step> {
    const spaced = (this.#agreed.steps & steps.leadingSpace) !== 0;
    for (const [name, value] of rawFields(this.#subject.header)) {
      // older filters get the value without the space behind the colon
      const text = spaced ? value : value.replace(/^ /, "");
      const packet = formatHeader(Buffer.from(name, "latin1"), Buffer.from(text, "latin1"));
      yield { packet, no: steps.noHeaders, silent: steps.silentHeader };
    }
  }

  async #take({ packet, no, silent, macros }: Step): Promise<Finding | undefined> {
    const chosen = this.#agreed.steps;
    if ((chosen & no) !== 0) return undefined;
    const before = macros && formatMacros(...macros);
    await this.#service.send(...(before ? [before, packet] : [packet]));
    if ((chosen & silent) !== 0) return undefined;
    const answer = await this.#answer();
    if (answer.kind === "skip" && no === steps.noBody) this.#skips = true;
    if (isChange(answer)) throw new Trouble("ask a milter", "It wants to change the message before its end");
    return findingOf(answer);
  }

  async #answer(): Promise<MilterAnswer> {
    const answer = parseAnswer(await this.#service.receive(this.#packets));
    if (!answer.ok) throw new Trouble("ask a milter", `It ${answer.error}`);
    return answer.value;
  }

  #permit(action: number, what: string): void {
    if ((this.#agreed.actions & action) === 0)
      throw new Trouble("ask a milter", `It ${what}, which was not agreed on`);
  }
}

async function negotiate(service: Service, packets: PacketReader): Promise<Negotiated> {
  await service.open();
  await service.send(formatOffer());
  const agreed = parseNegotiation(await service.receive(packets));
  if (!agreed.ok) throw new Trouble("ask a milter", `It ${agreed.error}`);
  return agreed.value;
}

/** Undefined: go on. */
function findingOf(answer: MilterAnswer): Finding | undefined {
  switch (answer.kind) {
    case "accept":
      return clean("accept");
    case "reject":
      return refuse("Refused by a filter", "reject");
    case "tempfail":
      return refuse("Put off by a filter, try again later", "tempfail", 451, "4.7.1");
    // a message that is taken and thrown away is lost for both sides: its sender shall know
    case "discard":
      return refuse("Refused by a filter", "discard");
    case "reply": {
      const { code, enhanced, text } = answer;
      // 421 is for us to say: the session goes on
      return refuse(text || "Refused by a filter", `${code} ${text}`, code === 421 ? 451 : code, enhanced);
    }
    default:
      return undefined;
  }
}

/** Trouble when the filter is not there, or wants what we cannot do. */
export async function pingMilter(options: ServiceOptions): Promise<void> {
  const service = new Service(options);
  try {
    await negotiate(service, new PacketReader(limits.content.packet));
    await service.finish(formatQuit());
  } finally {
    service.close();
  }
}
