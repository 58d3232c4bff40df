// A resolver that answers from the same data as the zone server, without sockets: for tests that move the clock or ask very often.

import { addressBytes } from "#base/network.ts";
import { type Answer, type MxRecord, type Resolver, reverseName } from "#sys/resolver.ts";
import type { Records, Zones } from "./zone.ts";

const CHAIN = 16;

export class TableResolver implements Resolver {
  zones: Zones;
  /** "TYPE name" of each question, in order. */
  readonly asked: string[] = [];

  constructor(zones: Zones) {
    this.zones = zones;
  }

  mx(domain: string): Promise<Answer<MxRecord>> {
    return this.#find("MX", domain, (text) => {
      const [preference, exchange = ""] = String(text).split(" ");
      return { preference: Number(preference), exchange: exchange === "." ? "" : exchange };
    });
  }

  async addresses(host: string): Promise<Answer<string>> {
    if (addressBytes(host)) return { kind: "found", records: [host] };
    const answers = await Promise.all([this.aaaa(host), this.a(host)]);
    const records = answers.flatMap((answer) => (answer.kind === "found" ? answer.records : []));
    if (records.length > 0) return { kind: "found", records };
    return answers.find(({ kind }) => kind === "later") ?? { kind: "none" };
  }

  async a(name: string): Promise<Answer<string>> {
    return addressBytes(name) ? { kind: "none" } : this.#find("A", name, String);
  }

  async aaaa(name: string): Promise<Answer<string>> {
    return addressBytes(name) ? { kind: "none" } : this.#find("AAAA", name, String);
  }

  async ptr(address: string): Promise<Answer<string>> {
    const bytes = addressBytes(address);
    return bytes ? this.#find("PTR", reverseName(bytes), String) : { kind: "none" };
  }

  txt(name: string): Promise<Answer<string>> {
    return this.#find("TXT", name, (text) => (typeof text === "string" ? text : text.join("")));
  }

  /** What a name without the records that are asked for gets. */
  protected missing(_name: string): Answer<never> {
    return { kind: "none" };
  }

  async #find<T>(
    type: "A" | "AAAA" | "MX" | "TXT" | "PTR",
    wanted: string,
    read: (text: string | readonly string[]) => T,
  ): Promise<Answer<T>> {
    this.asked.push(`${type} ${wanted}`);
    let name = wanted.toLowerCase().replace(/\.$/, "");
    for (let links = 0; links < CHAIN; links++) {
      const here: Records | string | undefined = this.zones[name];
      if (here === undefined) return { kind: "none" };
      if (here === "silent") return new Promise(() => {});
      if (typeof here === "string") return { kind: "later", why: here };
      if (here.CNAME === undefined) {
        const records = (here[type] ?? []).map(read);
        return records.length === 0 ? this.missing(name) : { kind: "found", records };
      }
      name = here.CNAME.toLowerCase();
    }
    return { kind: "later", why: "servfail" };
  }
}
