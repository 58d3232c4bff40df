// MTA-STS (RFC 8461): the record that says that a domain has a policy, the policy, and which exchangers it names.

import { limits } from "#base/limits.ts";
import { err, ok, type Result } from "#base/result.ts";

export interface StsPolicy {
  readonly mode: "enforce" | "testing" | "none";
  /** Seconds. */
  readonly maxAge: number;
  /** "mx.example.org", "*.example.org"; in lower case. */
  readonly mx: readonly string[];
}

/** Where the record of a domain is (RFC 8461 §3.1). */
export const stsName = (domain: string): string => `_mta-sts.${domain}`;

/** Where the policy of a domain is (RFC 8461 §3.2): this path at this host. */
export const STS_PATH = "/.well-known/mta-sts.txt";
export const stsHost = (domain: string): string => `mta-sts.${domain}`;

/** The id in the TXT records of a domain; undefined when they name no policy, or more than one (RFC 8461 §3.1). */
export function stsId(records: readonly string[]): string | undefined {
  const [only, ...more] = records.filter((text) => /^v=STSv1[ \t]*;/.test(text));
  if (only === undefined || more.length > 0) return undefined;
  const fields = only.split(";").map((field) => field.trim());
  const ids = fields.flatMap((field) => /^id[ \t]*=[ \t]*(.*)$/.exec(field)?.[1] ?? []);
  const [id = ""] = ids;
  return /^[A-Za-z0-9]{1,32}$/.test(id) ? id : undefined;
}

const PATTERN = /^(?:\*\.)?(?=.{1,253}$)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?$/;

/** Reads a policy (RFC 8461 §3.2). Of a key that stands twice the first counts, but for mx; unknown keys say nothing. */
export function parseStsPolicy(text: string): Result<StsPolicy> {
  const fields = text.split(/\r?\n/).flatMap((line) => {
    const [, name, value = ""] = /^[ \t]*([A-Za-z0-9][\w.-]{0,31})[ \t]*:[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
    return name === undefined ? [] : [{ name, value }];
  });
  const first = (wanted: string) => fields.find(({ name }) => name === wanted)?.value;
  if (first("version") !== "STSv1") return err("it is of no version that is known");
  const mode = first("mode");
  if (mode !== "enforce" && mode !== "testing" && mode !== "none") return err("it has no mode");
  const age = first("max_age") ?? "";
  if (!/^\d{1,10}$/.test(age)) return err("it has no max_age");
  const mx = fields.filter(({ name }) => name === "mx").map(({ value }) => value.toLowerCase());
  if (mx.length > limits.sts.patterns) return err("it names too many exchangers");
  if (mode !== "none" && mx.length === 0) return err("it names no exchanger");
  const odd = mx.find((pattern) => !PATTERN.test(pattern));
  if (odd !== undefined) return err("it has an exchanger that is no name");
  return ok({ mode, maxAge: Math.min(Number(age), limits.sts.maxAge), mx });
}

/** Whether an exchanger is among those of a policy (RFC 8461 §4.1): a wildcard stands for exactly one label. */
export function namesMx(patterns: readonly string[], host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, "");
  const above = name.slice(name.indexOf(".") + 1);
  return patterns.some((each) => {
    const pattern = each.replace(/\.$/, "");
    return pattern.startsWith("*.") ? name !== above && above === pattern.slice(2) : name === pattern;
  });
}
