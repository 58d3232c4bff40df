// One SMTP transaction with another server (RFC 5321 §3.3): greeting, EHLO, TLS if offered, recipients, body; an outcome for each recipient.

import net from "node:net";
import { limits } from "#base/limits.ts";
import { messageOf, Trouble } from "#base/problem.ts";
import type { BodySource } from "#store/spool/source.ts";
import { Conn, nextOf } from "#sys/conn.ts";
import type { Delivery } from "#talk/deliver.ts";
import type { Outcome } from "#wire/envelope.ts";
import { type Answer, AnswerReader } from "#wire/smtp/answer.ts";

export interface Target {
  readonly host: string;
  readonly address: string;
  readonly port: number;
  readonly hello: string;
  readonly source: string;
  /** False: a handshake with this host failed before, so it goes in clear (opportunistic TLS, RFC 7435). */
  readonly tls: boolean;
}

export type Attempt =
  /** Every recipient has its outcome. */
  | { readonly kind: "done"; readonly outcomes: ReadonlyMap<number, Outcome>; readonly tls: boolean }
  /** This host did not get as far as a recipient: try the next one. */
  | { readonly kind: "next"; readonly why: string }
  /** TLS failed: the same host again without. */
  | { readonly kind: "clear" };

class Refused extends Error {}

class Client {
  readonly #conn: Conn;
  #reader = new AnswerReader();
  extensions = new Set<string>();

  constructor(conn: Conn) {
    this.#conn = conn;
  }

  async answer(ms: number): Promise<Answer> {
    const answer = await nextOf(this.#reader, this.#conn, ms);
    if (answer === undefined) throw new Trouble("talk", "the server closed the connection");
    if (answer === "garbage") throw new Trouble("talk", "the server sent something that is no SMTP reply");
    return answer;
  }

  async command(line: string, ms: number = limits.remote.command): Promise<Answer> {
    await this.#conn.write(`${line}\r\n`);
    return this.answer(ms);
  }

  /** EHLO, or HELO for servers that do not know it. */
  async hello(name: string): Promise<void> {
    const answer = await this.command(`EHLO ${name}`);
    if (answer.code === 250) {
      this.extensions = new Set(answer.lines.slice(1).map((line) => line.split(" ")[0]?.toUpperCase() ?? ""));
      return;
    }
    this.extensions = new Set();
    const plain = await this.command(`HELO ${name}`);
    if (plain.code !== 250) throw new Refused(`${plain.code} ${plain.lines.join(" ")}`);
  }

  async secure(host: string): Promise<boolean> {
    const answer = await this.command("STARTTLS");
    if (answer.code !== 220) return false;
    this.#reader = new AnswerReader();
    await this.#conn.secureClient(host);
    return true;
  }

  async send(bytes: Buffer): Promise<void> {
    await this.#conn.write(bytes);
  }

  end(): void {
    this.#conn.end();
  }
}

function connect(target: Target): Promise<Conn> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({
      host: target.address,
      port: target.port,
      ...(target.source === "" ? {} : { localAddress: target.source }),
    });
    const timer = setTimeout(
      () => socket.destroy(Trouble.timeout("connect", limits.remote.connect)),
      limits.remote.connect,
    );
    socket.once("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.removeAllListeners("error");
      resolve(new Conn(socket));
    });
  });
}

/** One attempt with one host. Never throws: what goes wrong is an outcome, and always temporary unless the server says 5xx. */
export async function attempt(target: Target, delivery: Delivery, body: BodySource): Promise<Attempt> {
  let client: Client | undefined;
  let secured = false;
  try {
    client = new Client(await connect(target));
    const greeting = await client.answer(limits.remote.greeting);
    if (greeting.code !== 220) return { kind: "next", why: `${greeting.code} ${greeting.lines.join(" ")}` };
    await client.hello(target.hello);
    if (target.tls && client.extensions.has("STARTTLS")) {
      secured = await client.secure(target.host).catch(() => {
        throw new Refused("tls");
      });
      if (secured) await client.hello(target.hello);
    }
  } catch (thrown) {
    client?.end();
    if (thrown instanceof Refused && thrown.message === "tls") return { kind: "clear" };
    return { kind: "next", why: messageOf(thrown) };
  }
  try {
    return { kind: "done", outcomes: await transaction(client, target, delivery, body), tls: secured };
  } finally {
    client.end();
  }
}

async function transaction(
  client: Client,
  target: Target,
  delivery: Delivery,
  body: BodySource,
): Promise<ReadonlyMap<number, Outcome>> {
  const outcomes = new Map<number, Outcome>();
  const rest = (make: (index: number) => Outcome) => {
    for (const { index } of delivery.recipients) if (!outcomes.has(index)) outcomes.set(index, make(index));
    return outcomes;
  };
  let sent = false;
  try {
    const eightBit =
      delivery.body === "8bitmime" && client.extensions.has("8BITMIME") ? " BODY=8BITMIME" : "";
    const size = client.extensions.has("SIZE") ? ` SIZE=${body.size}` : "";
    const mail = await client.command(`MAIL FROM:<${delivery.sender}>${size}${eightBit}`);
    if (mail.code !== 250) return rest(() => refusal(target, mail));
    let accepted = 0;
    for (const { index, address } of delivery.recipients) {
      const answer = await client.command(`RCPT TO:<${address}>`);
      if (answer.code === 250 || answer.code === 251) accepted++;
      else outcomes.set(index, refusal(target, answer));
    }
    if (accepted === 0) return outcomes;
    const data = await client.command("DATA", limits.remote.dataStart);
    if (data.code !== 354) return rest(() => refusal(target, data));
    await sendBody(client, body);
    sent = true;
    const end = await client.answer(limits.remote.dataEnd);
    const by = `${target.host} [${target.address}]: ${end.code} ${end.lines.join(" ")}`.slice(0, 1900);
    rest(() => (end.code === 250 ? { kind: "delivered", by } : refusal(target, end)));
    await client.command("QUIT", 2000).catch(() => {
      // it has the message; how it says good bye does not matter
    });
    return outcomes;
  } catch (thrown) {
    const duplicate = sent ? "; possible duplicate" : "";
    const text = `The connection with ${target.host} [${target.address}] was lost: ${messageOf(thrown)}${duplicate}`;
    return rest(() => ({ kind: "deferred", why: { code: "4.4.2", text } }));
  }
}

/** 5xx is for ever, everything else for now. */
function refusal({ host, address }: Target, { code, lines }: Answer): Outcome {
  const said = lines.join(" ");
  const enhanced = /^([245]\.\d{1,3}\.\d{1,3})\b/.exec(said)?.[1];
  const failed = code >= 500;
  const why = {
    code: enhanced ?? (failed ? "5.0.0" : "4.0.0"),
    text: `${host} [${address}] said: ${code} ${said}`.slice(0, 1900),
  };
  return failed ? { kind: "failed", why } : { kind: "deferred", why };
}

/** RFC 5321 §4.5.2. Stored bodies have CRLF line ends only; a line that begins with a dot gets another one. */
async function sendBody(client: Client, body: BodySource): Promise<void> {
  let atLineStart = true;
  let last = "\r\n";
  for await (const chunk of body.chunks()) {
    if (chunk.length === 0) continue;
    const text = chunk.toString("latin1");
    const stuffed = (atLineStart && text.startsWith(".") ? "." : "") + text.replaceAll("\n.", "\n..");
    atLineStart = text.endsWith("\n");
    last = (last + text).slice(-2);
    await client.send(Buffer.from(stuffed, "latin1"));
  }
  await client.send(Buffer.from(last === "\r\n" ? ".\r\n" : "\r\n.\r\n"));
}
