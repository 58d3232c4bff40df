// One HTTPS request: verified, without redirections, with an end to its size and its time.

import https from "node:https";
import { messageOf, Trouble } from "#base/problem.ts";

export interface HttpsRequest {
  /** Name in the certificate and in Host. */
  readonly host: string;
  /** Where that is; the first one that takes the connection is asked. */
  readonly addresses: readonly string[];
  readonly port: number;
  readonly path: string;
  /** Sent by POST; undefined: GET. */
  readonly body?: { readonly type: string; readonly bytes: Buffer };
  /** Authorities in PEM instead of the public ones. */
  readonly authorities?: string;
  /** Of the response. */
  readonly bytes: number;
  /** For all of it, ms. */
  readonly time: number;
}

export interface HttpsResponse {
  readonly status: number;
  /** In lower case, without parameters. */
  readonly type: string;
  readonly body: Buffer;
}

/** A failure of the server's TLS, as opposed to any other (RFC 8460 §4.3.2.1). */
export const isTlsFailure = (thrown: unknown): boolean =>
  thrown instanceof Trouble && thrown.operation === "verify";

/** The response, whatever its status; Trouble when there is none, or one that is too large. */
export async function requestHttps(request: HttpsRequest): Promise<HttpsResponse> {
  const signal = AbortSignal.timeout(request.time);
  let last: unknown = new Trouble("fetch", `${request.host} has no address`);
  for (const address of request.addresses) {
    try {
      return await requestAt(address, request, signal);
    } catch (thrown) {
      last = thrown;
      if (signal.aborted) throw Trouble.timeout(`fetch from ${request.host}`, request.time);
      if (isTlsFailure(thrown)) break;
    }
  }
  throw Trouble.from(`fetch from ${request.host}`, last);
}

function requestAt(address: string, request: HttpsRequest, signal: AbortSignal): Promise<HttpsResponse> {
  const { host, port, path, body, authorities } = request;
  return new Promise((resolve, reject) => {
    let stage: "connect" | "verify" | "fetch" = "connect";
    const sent = https.request({
      host: address,
      port,
      path,
      method: body ? "POST" : "GET",
      agent: false,
      signal,
      // the certificate is verified for this name
      servername: host,
      headers: {
        host: port === 443 ? host : `${host}:${port}`,
        ...(body ? { "content-type": body.type, "content-length": body.bytes.length } : {}),
      },
      ...(authorities ? { ca: authorities } : {}),
    });
    sent.on("socket", (socket) => {
      socket.once("connect", () => (stage = "verify"));
      socket.once("secureConnect", () => (stage = "fetch"));
    });
    const fail = (error: Error) =>
      reject(new Trouble(stage, `Cannot fetch from ${host}: ${messageOf(error)}`, error));
    sent.on("error", fail);
    sent.on("response", (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on("data", (chunk: Buffer) => {
        size += chunk.length;
        chunks.push(chunk);
        if (size <= request.bytes) return;
        fail(new Error(`it is longer than ${request.bytes} bytes`));
        sent.destroy();
      });
      response.on("error", fail);
      response.on("end", () => {
        const type = (response.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
        resolve({ status: response.statusCode ?? 0, type, body: Buffer.concat(chunks) });
      });
    });
    sent.end(body?.bytes);
  });
}
