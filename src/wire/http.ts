// HTTP/1.1 as a client of a service next door needs it (RFC 9112): one request whose body streams in chunks, one response.

import { err, ok, type Result } from "#base/result.ts";

const EMPTY = Buffer.alloc(0);
const BLANK = Buffer.from("\r\n\r\n");

/** Control characters would end the field or begin another one; all else passes, in UTF-8. */
const clean = (value: string) => value.replace(/[\x00-\x1f\x7f]+/g, " ").trim();

/** The head of a request. Fields whose value is undefined are left out; a list is as many fields. */
export function formatRequest(
  method: "GET" | "POST",
  target: string,
  fields: Readonly<Record<string, string | readonly string[] | undefined>>,
): Buffer {
  const lines = Object.entries(fields).flatMap(([name, value]) =>
    (typeof value === "string" ? [value] : (value ?? [])).map((each) => `${name}: ${clean(each)}\r\n`),
  );
  return Buffer.from(`${method} ${target} HTTP/1.1\r\n${lines.join("")}\r\n`);
}

/** What goes before a chunk of this size (RFC 9112 §7.1), which must not be empty; CRLF follows the chunk. */
export const formatChunkSize = (size: number): string => `${size.toString(16)}\r\n`;

export const CHUNK_END = "\r\n";
export const LAST_CHUNK = "0\r\n\r\n";

export interface HttpResponse {
  readonly status: number;
  readonly body: Buffer;
}

/** How the body ends. */
type Framing =
  | { readonly kind: "length"; readonly length: number }
  | { readonly kind: "chunked" }
  | { readonly kind: "close" };

interface Head {
  readonly status: number;
  readonly framing: Framing;
  /** Where the body begins. */
  readonly end: number;
}

/** Gathers one response. What cannot be one, or is larger than `most`, is `flaw`. */
export class ResponseReader {
  flaw: string | undefined;
  readonly #most: number;
  #bytes: Buffer = EMPTY;
  #head: Head | undefined;
  #ended = false;

  constructor(most: number) {
    this.#most = most;
  }

  feed(chunk: Buffer): void {
    if (this.flaw !== undefined) return;
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    if (this.#bytes.length > this.#most) this.#fail("a response that is too large");
  }

  /** The peer has closed. */
  end(): void {
    this.#ended = true;
  }

  /** The response when it is complete. */
  next(): HttpResponse | undefined {
    while (!this.#head) {
      const end = this.#bytes.indexOf(BLANK);
      if (end < 0 || this.flaw !== undefined) return undefined;
      const head = parseHead(this.#bytes.toString("latin1", 0, end), end + BLANK.length);
      if (!head.ok) return this.#fail(head.error);
      // RFC 9110 §15.2: the response itself is still to come
      if (head.value.status < 200) this.#bytes = this.#bytes.subarray(end + BLANK.length);
      else this.#head = head.value;
    }
    const body = this.#body(this.#head);
    return body && { status: this.#head.status, body };
  }

  #body({ framing, end }: Head): Buffer | undefined {
    const rest = this.#bytes.subarray(end);
    switch (framing.kind) {
      case "length":
        return rest.length < framing.length ? undefined : rest.subarray(0, framing.length);
      case "close":
        return this.#ended ? rest : undefined;
      case "chunked": {
        const body = joinChunks(rest);
        return body.ok ? body.value : this.#fail(body.error);
      }
    }
  }

  #fail(why: string): undefined {
    this.flaw = why;
    this.#bytes = EMPTY;
  }
}

function parseHead(text: string, end: number): Result<Head> {
  const [first = "", ...lines] = text.split("\r\n");
  const [, status] = /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(first) ?? [];
  if (status === undefined) return err("what is no HTTP response");
  let framing: Framing = { kind: "close" };
  for (const line of lines) {
    const [, name = "", value = ""] = /^([^:\s]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
    if (/^transfer-encoding$/i.test(name)) {
      if (!/^chunked$/i.test(value)) return err(`a response in the coding "${value}"`);
      framing = { kind: "chunked" };
    }
    // RFC 9112 §6.3: chunks have the last word
    if (!/^content-length$/i.test(name) || framing.kind === "chunked") continue;
    if (!/^\d{1,12}$/.test(value)) return err("a response of no length");
    framing = { kind: "length", length: Number(value) };
  }
  return ok({ status: Number(status), framing, end });
}

/** A size in hexadecimal, with extensions that nobody uses. */
const CHUNK_LINE = 1000;
const NO_SIZE = "a chunk of no size";

/** The chunks put together; undefined while some are missing. */
function joinChunks(bytes: Buffer): Result<Buffer | undefined> {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const line = bytes.indexOf("\r\n", at);
    if (line < 0) return bytes.length - at > CHUNK_LINE ? err(NO_SIZE) : ok(undefined);
    const [, digits] = /^([0-9a-f]{1,8})[ \t]*(?:;|$)/i.exec(bytes.toString("latin1", at, line)) ?? [];
    if (digits === undefined) return err(NO_SIZE);
    const size = Number.parseInt(digits, 16);
    const start = line + 2;
    if (size === 0) return ok(Buffer.concat(parts));
    if (bytes.length < start + size + 2) return ok(undefined);
    parts.push(bytes.subarray(start, start + size));
    at = start + size + 2;
  }
}
