// ClamAV: clamd gets the message in chunks and names the signature it found, if it found one.

import { limits } from "#base/limits.ts";
import { Trouble } from "#base/problem.ts";
import {
  formatChunkHead,
  formatInstream,
  formatPing,
  parseScanAnswer,
  type ScanAnswer,
  ScanAnswerReader,
} from "#wire/clamav.ts";
import { clean, type Dialogue, type Finding, refuse, type Subject } from "./checker.ts";
import { Service, type ServiceOptions } from "./service.ts";

export class ClamavDialogue implements Dialogue {
  readonly #subject: Subject;
  readonly #service: Service;

  constructor(subject: Subject, options: ServiceOptions) {
    this.#subject = subject;
    this.#service = new Service(options);
  }

  async begin(): Promise<undefined> {
    await this.#service.open();
    await this.#service.send(formatInstream());
    await this.part(this.#subject.header);
  }

  async part(bytes: Buffer): Promise<undefined> {
    // a chunk of nothing would be the end
    if (bytes.length === 0) return;
    // clamd closes behind a message that is too large for it
    await this.#service.pass([formatChunkHead(bytes.length), bytes], () => answerOf(this.#service));
  }

  async end(): Promise<Finding> {
    await this.#service.send(formatChunkHead(0));
    const answer = await answerOf(this.#service);
    switch (answer.kind) {
      case "found":
        return refuse(`The message has a virus: ${answer.signature}`, answer.signature);
      case "clean":
        return clean();
      case "pong":
        throw new Trouble("scan a message", "It answers another question than was asked");
    }
  }

  close(): void {
    this.#service.close();
  }
}

async function answerOf(service: Service): Promise<ScanAnswer> {
  const text = await service.receive(new ScanAnswerReader(limits.content.answerLine));
  const answer = parseScanAnswer(text);
  if (!answer.ok) throw new Trouble("scan a message", `It says: ${answer.error}`);
  return answer.value;
}

/** Trouble when clamd does not answer. */
export async function pingClamav(options: ServiceOptions): Promise<void> {
  const service = new Service(options);
  try {
    await service.open();
    await service.send(formatPing());
    const { kind } = await answerOf(service);
    if (kind !== "pong") throw new Trouble("ping clamd", "It answers another question than was asked");
  } finally {
    service.close();
  }
}
