// One entry of a configuration of DNS lists, such as "zen.example.org=127.0.0.2-11*3": its grammar is in docs/dnsbl.md.

import { limits } from "#base/limits.ts";
import { addressBytes } from "#base/network.ts";
import { err, ok, type Result } from "#base/result.ts";
import { plainName } from "./names.ts";

/** What one octet of a return code may be. */
type Octet =
  | { readonly kind: "range"; readonly from: number; readonly to: number }
  /** Any of these bits. */
  | { readonly kind: "bits"; readonly mask: number };

export interface ListEntry {
  /** As it was written, but for a key in the zone: fit for logs and replies. */
  readonly text: string;
  /** As it is asked for: in lower case, without a last dot. */
  readonly zone: string;
  /** The zone without a key. */
  readonly shown: string;
  readonly of: "addresses" | "domains";
  /** Return codes that count; empty: all. */
  readonly codes: readonly (readonly Octet[])[];
  /** Above zero a black list, below zero a white one. */
  readonly weight: number;
  /** What the list must hold instead of what RFC 5782 §5 says; "none": it has nothing for tests. */
  readonly canary: string | undefined;
}

const FORM =
  /^(?:(?<of>[a-z]+):)?(?<zone>[^=*\s:]+)(?:=(?<codes>[^*\s]*))?(?:\*(?<weight>\S*))?(?<rest>\s.*)?$/;
/** A name that is asked has 253 characters at most; an IPv6 address with its last dot takes 64. */
const LONGEST_ZONE = 253 - 64;

/** Reads one entry; one sentence's end about what is wrong otherwise. */
export function parseListEntry(written: string): Result<ListEntry> {
  const text = written.trim();
  const { of, zone = "", codes, weight, rest } = FORM.exec(text)?.groups ?? {};
  if (of !== undefined && of !== "domain")
    return err(`unknown kind of list "${of}:": only "domain:" is known`);
  const name = plainName(zone);
  if (name === undefined || !name.includes(".") || name.length > LONGEST_ZONE)
    return err(`expected a list such as "zen.example.org=127.0.0.2-11*3", not "${text}"`);
  const kind = of === "domain" ? "domains" : "addresses";
  const read = codes === undefined ? ok([]) : parseCodes(codes);
  if (!read.ok) return read;
  const number = weight === undefined ? 1 : Number(weight);
  if (!isWeight(weight ?? "1"))
    return err(
      `expected a weight from -${limits.dnsbl.weight} to ${limits.dnsbl.weight}, not 0, in "${text}"`,
    );
  const canary = parseCanary(rest ?? "", kind);
  if (!canary.ok) return canary;
  const shown = withoutKey(name);
  return ok({
    text: text.replace(zone, withoutKey(zone)),
    zone: name,
    shown,
    of: kind,
    codes: read.value,
    weight: number,
    canary: canary.value,
  });
}

/** Some lists are asked below a label that is the customer's key: a secret. */
const withoutKey = (zone: string): string => zone.replaceAll(/(?<=^|\.)[a-z0-9]{20,63}(?=\.)/gi, "KEY");

/**
 * Reads all entries of a configuration: one sentence for each that is wrong, written twice, names another canary than its sister of the same
 * zone, or is one too many.
 */
export function parseListEntries(texts: readonly string[]): Result<readonly ListEntry[], readonly string[]> {
  const entries: ListEntry[] = [];
  const problems: string[] = [];
  for (const text of texts) {
    const read = parseListEntry(text);
    const problem = read.ok ? clash(read.value, entries) : read.error;
    if (problem !== undefined) problems.push(problem);
    else if (read.ok) entries.push(read.value);
  }
  if (texts.length > limits.dnsbl.lists) problems.push(`expected at most ${limits.dnsbl.lists} lists`);
  return problems.length === 0 ? ok(entries) : err(problems);
}

function clash(entry: ListEntry, before: readonly ListEntry[]): string | undefined {
  if (before.some(({ text, zone }) => text === entry.text && zone === entry.zone))
    return `"${entry.text}" is there twice`;
  const sister = before.find(({ zone, of }) => zone === entry.zone && of === entry.of);
  return sister && sister.canary !== entry.canary
    ? `"${entry.text}" and "${sister.text}" are one list and must name the same canary`
    : undefined;
}

const isWeight = (text: string): boolean =>
  /^-?[1-9]\d{0,5}$/.test(text) && Math.abs(Number(text)) <= limits.dnsbl.weight;

function parseCodes(text: string): Result<readonly (readonly Octet[])[]> {
  const codes: (readonly Octet[])[] = [];
  for (const one of text.split(",")) {
    const octets = one.split(".").flatMap((part) => parseOctet(part) ?? []);
    if (octets.length !== 4 || one.split(".").length !== 4)
      return err(`expected return codes such as "127.0.0.2-11" or "127.0.x.&8", not "${one}"`);
    if (!one.startsWith("127."))
      return err(`return code "${one}" is outside 127.0.0.0/8: no list may answer so`);
    if (one.startsWith("127.255.255.") || one === "127.0.0.1")
      return err(`return code "${one}" is how lists say that they refuse to answer: it cannot be a listing`);
    codes.push(octets);
  }
  return ok(codes);
}

function parseOctet(text: string): Octet | undefined {
  if (text === "x") return { kind: "range", from: 0, to: 255 };
  const bits = /^&(\d{1,3})$/.exec(text)?.[1];
  if (bits !== undefined)
    return Number(bits) >= 1 && Number(bits) <= 255 ? { kind: "bits", mask: Number(bits) } : undefined;
  const [, first, last = first] = /^(\d{1,3})(?:-(\d{1,3}))?$/.exec(text) ?? [];
  const [from, to] = [Number(first), Number(last)];
  return from <= to && to <= 255 ? { kind: "range", from, to } : undefined;
}

function parseCanary(rest: string, of: ListEntry["of"]): Result<string | undefined> {
  if (rest === "") return ok(undefined);
  const value = /^\s+canary:(\S+)$/.exec(rest)?.[1];
  if (value === undefined) return err(`expected nothing but "canary:…" after the list, not "${rest.trim()}"`);
  if (value === "none") return ok(value);
  const valid = of === "addresses" ? addressBytes(value) !== undefined : plainName(value) !== undefined;
  if (valid) return ok(value);
  return err(
    `expected ${of === "addresses" ? "an address" : "a domain"} or "none" as canary, not "${value}"`,
  );
}

/** Whether a return code, as an address, is one that the entry counts. */
export function countsCode(entry: ListEntry, code: string): boolean {
  const bytes = addressBytes(code);
  if (!bytes) return false;
  return (
    entry.codes.length === 0 || entry.codes.some((octets) => octets.every((o, at) => fits(o, bytes[at] ?? 0)))
  );
}

const fits = (octet: Octet, value: number): boolean =>
  octet.kind === "bits" ? (value & octet.mask) !== 0 : value >= octet.from && value <= octet.to;

/**
 * Why an answer cannot be a listing at all, whatever the entry counts; undefined for a plain return code. Lists refuse resolvers
 * they do not like with 127.255.255.x or 127.0.0.1; a domain that was sold, or a resolver that sells typing errors, answers with
 * addresses of web servers.
 */
export function codeFlaw(code: string): string | undefined {
  const bytes = addressBytes(code);
  if (bytes?.length !== 4 || bytes[0] !== 127) return `answered ${code}, which is no return code`;
  if ((bytes[1] === 255 && bytes[2] === 255) || code === "127.0.0.1")
    return `refuses our questions (${code})`;
  return undefined;
}
