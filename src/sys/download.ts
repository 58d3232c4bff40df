// Fetching a file by HTTP, with an end to its size, its time and its redirections.

import { messageOf, Trouble } from "#base/problem.ts";

export interface DownloadLimits {
  readonly bytes: number;
  readonly time: number;
  readonly redirections: number;
}

/** The bytes behind a URL. From https: no redirection leads back to http:. Trouble says in one sentence what failed. */
export async function download(url: string, limits: DownloadLimits): Promise<Buffer> {
  const signal = AbortSignal.timeout(limits.time);
  try {
    const response = await follow(new URL(url), limits.redirections, signal);
    if (!response.ok) throw new Error(`the server says ${response.status} ${response.statusText}`.trimEnd());
    return await bodyOf(response, limits.bytes);
  } catch (thrown) {
    const cause = thrown instanceof Error && thrown.cause !== undefined ? `: ${messageOf(thrown.cause)}` : "";
    const why = signal.aborted ? "it takes too long" : `${messageOf(thrown)}${cause}`;
    throw new Trouble("fetch", `Cannot fetch ${url}: ${why}`, thrown);
  }
}

async function follow(url: URL, left: number, signal: AbortSignal): Promise<Response> {
  const response = await fetch(url, { redirect: "manual", signal, headers: { accept: "*/*" } });
  const location = response.status >= 300 && response.status < 400 ? response.headers.get("location") : null;
  if (location === null) return response;
  await response.body?.cancel();
  const next = new URL(location, url);
  if (left === 0) throw new Error("it leads to too many other places");
  if (next.protocol !== "https:" && next.protocol !== url.protocol)
    throw new Error(`it leads to ${next.href}`);
  return follow(next, left - 1, signal);
}

async function bodyOf(response: Response, most: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > most) throw new Error(`it is longer than ${most} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
