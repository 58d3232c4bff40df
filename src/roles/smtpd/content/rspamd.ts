// rspamd: the message is the body of one HTTP request, and the answer is an action.

import { limits } from "#base/limits.ts";
import { Trouble } from "#base/problem.ts";
import { PLAUSIBLE } from "#policy/rules/score.ts";
import {
  CHUNK_END,
  formatChunkSize,
  formatRequest,
  type HttpResponse,
  LAST_CHUNK,
  ResponseReader,
} from "#wire/http.ts";
import { parseSpamAnswer, type SpamAnswer } from "#wire/rspamd.ts";
import { clean, type Dialogue, type Finding, refuse, type Subject } from "./checker.ts";
import { Service, type ServiceOptions } from "./service.ts";

export class RspamdDialogue implements Dialogue {
  readonly #subject: Subject;
  readonly #service: Service;

  constructor(subject: Subject, options: ServiceOptions) {
    this.#subject = subject;
    this.#service = new Service(options);
  }

  async begin(): Promise<undefined> {
    await this.#service.open();
    await this.#service.send(headOf(this.#subject));
    await this.part(this.#subject.header);
  }

  async part(bytes: Buffer): Promise<undefined> {
    // a chunk of nothing would be the end
    if (bytes.length === 0) return;
    // what it refuses to read it answers before the end
    await this.#service.pass([formatChunkSize(bytes.length), bytes, CHUNK_END], async () =>
      bodyOf(await responseOf(this.#service)),
    );
  }

  async end(): Promise<Finding> {
    await this.#service.send(LAST_CHUNK);
    const answer = parseSpamAnswer(bodyOf(await responseOf(this.#service)));
    if (!answer.ok) throw new Trouble("check a message", `It sends ${answer.error}`);
    return findingOf(answer.value);
  }

  close(): void {
    this.#service.close();
  }
}

function headOf({ client, hello, sender, recipients, ...subject }: Subject): Buffer {
  const given = (text: string) => (text === "" ? undefined : text);
  return formatRequest("POST", "/checkv2", {
    Host: "localhost",
    Connection: "close",
    "Transfer-Encoding": "chunked",
    IP: given(client.address),
    Hostname: given(client.name),
    Helo: given(hello),
    From: sender === "" ? "<>" : sender,
    Rcpt: recipients,
    "Queue-Id": subject.id,
    User: subject.user,
    "MTA-Name": subject.hostname,
    "TLS-Version": subject.tls?.version,
    "TLS-Cipher": subject.tls?.cipher,
  });
}

const responseOf = (service: Service): Promise<HttpResponse> =>
  service.receive(new ResponseReader(limits.content.answer));

function bodyOf({ status, body }: HttpResponse): Buffer {
  if (status === 200) return body;
  const said = body.toString("utf8", 0, 200).trim();
  throw new Trouble("check a message", `It answers ${status}${said === "" ? "" : `: ${said}`}`);
}

/** Its actions as rspamd's own milter takes them. */
function findingOf(answer: SpamAnswer): Finding {
  const { action, score, required, symbols, message, fields } = answer;
  const points = required === undefined ? score.toFixed(2) : `${score.toFixed(2)} of ${required}`;
  const evidence = [`${action}, ${points}`, ...symbols.slice(0, 10)].join(" ");
  switch (action) {
    case "reject":
    case "discard":
    case "quarantine":
      return {
        kind: "refuse",
        code: 554,
        enhanced: "5.7.1",
        text: message || "The message looks like spam",
        evidence,
        plausible: isPlausible(answer),
      };
    case "soft reject":
      return refuse(message || "Try again later", evidence, 451, "4.7.1");
    // the subject stands in a header that has gone to the queue already
    case "rewrite subject":
    case "add header":
      return clean(evidence, [["X-Spam", "Yes"], ...fields.filter(([name]) => !/^x-spam$/i.test(name))]);
    // "greylist" only says that greylisting may have a reason: what shall come again later is a "soft reject"
    default:
      return clean(evidence, fields);
  }
}

/** Symbols of what is dangerous, whatever its points are. */
const DANGEROUS = /VIRUS|MALWARE|EICAR|CLAM|PHISH|EXPLOIT|OLETOOLS|MACRO/i;

/** It was refused for its points, which are not far beyond the bound, and not for something dangerous. */
const isPlausible = ({ score, required, symbols }: SpamAnswer): boolean =>
  required !== undefined &&
  score >= required &&
  score < PLAUSIBLE * required &&
  !symbols.some((symbol) => DANGEROUS.test(symbol));

/** Trouble when rspamd does not answer. */
export async function pingRspamd(options: ServiceOptions): Promise<void> {
  const service = new Service(options);
  try {
    await service.open();
    await service.send(formatRequest("GET", "/ping", { Host: "localhost", Connection: "close" }));
    bodyOf(await responseOf(service));
  } finally {
    service.close();
  }
}
