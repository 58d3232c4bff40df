// Which MTA-STS policy holds for a domain: kept ones until they are over, fetched again when their id changes and before they are over (RFC 8461 §5.1).

import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { messageOf, Trouble } from "#base/problem.ts";
import type { Logger } from "#log/logger.ts";
import { isDomain, type KeptPolicy, overAt, type PolicyFiles } from "#store/policies.ts";
import type { HttpsRequest, HttpsResponse } from "#sys/https.ts";
import type { Resolver } from "#sys/resolver.ts";
import type { StsAnswer } from "#talk/tlspolicy.ts";
import type { ResultType, TlsResult } from "#wire/message/tlsresult.ts";
import { parseStsPolicy, STS_PATH, stsHost, stsId, stsName } from "#wire/records/mtasts.ts";

export interface StsOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly files: PolicyFiles;
  readonly resolver: Resolver;
  readonly request: (request: HttpsRequest) => Promise<HttpsResponse>;
  /** 443, but for tests. */
  readonly port: number;
  /** PEM of the authorities that are believed; "": the public ones. */
  readonly authorities: string;
  /** Hears of policies that cannot be had, for reports (RFC 8460 §4.3.2.2). */
  readonly tell: (result: TlsResult) => void;
}

const NONE: StsAnswer = { kind: "none" };

export class StsPolicies {
  options: StsOptions;
  /** Domains whose policy could not be fetched, and until when they are left alone (monotonic). */
  readonly #failed = new Map<string, number>();
  readonly #fetching = new Map<string, Promise<KeptPolicy | undefined>>();

  constructor(options: StsOptions) {
    this.options = options;
  }

  /** The policy that holds for a domain now (RFC 8461 §5). Never rejects: what cannot be known does not hold. */
  async policyOf(given: string): Promise<StsAnswer> {
    const domain = given.toLowerCase().replace(/\.$/, "");
    if (!isDomain(domain)) return NONE;
    const kept = this.#kept(domain);
    const id = await this.#idOf(domain);
    if (id === undefined || id === kept?.id) return answerOf(kept);
    // RFC 8461 §3.3: a kept one holds while a new one cannot be had
    return answerOf((await this.#fetch(domain, id)) ?? kept);
  }

  /** Fetches again what is old, one after the other, and drops what is over. */
  async lookOver(): Promise<void> {
    const { clock, files } = this.options;
    for (const [domain, policy] of files.entries()) {
      if (overAt(policy) <= clock.now()) await files.remove(domain);
      else if (clock.now() >= refreshAt(policy)) {
        const id = await this.#idOf(domain);
        if (id !== undefined) await this.#fetch(domain, id);
      }
    }
  }

  #kept(domain: string): KeptPolicy | undefined {
    const kept = this.options.files.get(domain);
    return kept && overAt(kept) > this.options.clock.now() ? kept : undefined;
  }

  async #idOf(domain: string): Promise<string | undefined> {
    const answer = await this.options.resolver.txt(stsName(domain));
    return answer.kind === "found" ? stsId(answer.records) : undefined;
  }

  /** A new policy; undefined when there is none to be had, or was none a moment ago. All who ask at once share one. */
  #fetch(domain: string, id: string): Promise<KeptPolicy | undefined> {
    const { clock } = this.options;
    if ((this.#failed.get(domain) ?? 0) > clock.monotonic()) return Promise.resolve(undefined);
    const under = this.#fetching.get(domain);
    if (under !== undefined) return under;
    const fetching = this.#fetchNow(domain, id).finally(() => this.#fetching.delete(domain));
    this.#fetching.set(domain, fetching);
    return fetching;
  }

  async #fetchNow(domain: string, id: string): Promise<KeptPolicy | undefined> {
    const { clock, files, log } = this.options;
    let policy: KeptPolicy;
    try {
      const { mode, maxAge, mx } = await this.#policyAt(domain);
      policy = { id, fetched: clock.now(), mode, maxAge, mx };
    } catch (thrown) {
      if (this.#failed.size >= limits.sts.domains) this.#failed.clear();
      this.#failed.set(domain, clock.monotonic() + limits.sts.retry);
      log.event("sts_unknown", { domain, text: messageOf(thrown) });
      this.options.tell({
        domain,
        policy: { type: "sts", strings: [], mx: [] },
        failure: { result: resultOf(thrown), host: "", address: "" },
      });
      return undefined;
    }
    this.#failed.delete(domain);
    log.event("sts_policy", { domain, mode: policy.mode, mx: policy.mx.join(","), max_age: policy.maxAge });
    // it holds now even if the disk does not take it
    await files.put(domain, policy).catch((thrown: unknown) => {
      log.event("trouble", { text: messageOf(thrown) });
    });
    return policy;
  }

  /** RFC 8461 §3.3: by HTTPS, with status 200 and nothing else, as text/plain. */
  async #policyAt(domain: string) {
    const { resolver, request, port, authorities } = this.options;
    const host = stsHost(domain);
    const found = await resolver.addresses(host);
    if (found.kind !== "found") throw new Trouble("fetch", `Cannot fetch from ${host}: it has no address`);
    const { status, type, body } = await request({
      host,
      addresses: found.records.slice(0, 4),
      port,
      path: STS_PATH,
      authorities,
      bytes: limits.sts.policyBytes,
      time: limits.sts.fetch,
    });
    if (status !== 200) throw new Trouble("fetch", `Cannot fetch from ${host}: it answers ${status}`);
    if (type !== "text/plain")
      throw new Trouble("fetch", `Cannot fetch from ${host}: the policy is of the type "${type}"`);
    const policy = parseStsPolicy(body.toString("utf8"));
    if (!policy.ok) throw new Trouble("read", `Cannot read the policy of ${domain}: ${policy.error}`);
    return policy.value;
  }
}

function resultOf(thrown: unknown): ResultType {
  const operation = thrown instanceof Trouble ? thrown.operation : "";
  if (operation === "verify") return "sts-webpki-invalid";
  return operation === "read" ? "sts-policy-invalid" : "sts-policy-fetch-error";
}

function answerOf(policy: KeptPolicy | undefined): StsAnswer {
  return !policy || policy.mode === "none" ? NONE : { kind: "sts", mode: policy.mode, mx: policy.mx };
}

/** Well before it is over, and at least once a day (RFC 8461 §10.2 wants more than the moment mail is sent). */
const refreshAt = ({ fetched, maxAge }: KeptPolicy): number =>
  fetched + Math.min(limits.sts.refresh, (maxAge * 1000) / 2);
