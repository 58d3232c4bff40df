// kenro init: a new data directory with kenro.toml, the directories of the roles, a self-signed certificate and the first domains.

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline/promises";
import { codeOf, messageOf } from "#base/problem.ts";
import { type Choices, formatConfig } from "#config/document.ts";
import { CONFIG_FILE } from "#config/file.ts";
import { sections } from "#config/schema.ts";
import { HOSTNAME } from "#config/values.ts";
import { makeDirectories, ownersFrom } from "#roles/supervisor/layout.ts";
import { parseDomain } from "#store/accounts/address.ts";
import { selfSigned } from "#wire/x509.ts";
import { type Call, print, printJson, type Run } from "../call.ts";
import { Refusal, usage } from "../exit.ts";
import { runSelf } from "../self.ts";

/** Standard port of each setting of [listen]. */
export const standardPorts = {
  mx: 25,
  submission: 587,
  submissions: 465,
  pop3: 110,
  pop3s: 995,
  imap: 143,
  imaps: 993,
  qmtp: 209,
  qmqp: 628,
} as const satisfies Record<keyof typeof sections.listen.settings, number>;

/** The base + the highest standard port is still a port. */
const HIGHEST_BASE = 65_535 - 995;

const YEAR = 365 * 86_400_000;

export interface NewServer {
  readonly directory: string;
  readonly hostname: string;
  readonly domains: readonly string[];
  /** Undefined: the standard ports on all addresses. */
  readonly portBase: number | undefined;
}

export const init: Run = async (call) => {
  const file = path.join(call.directory, CONFIG_FILE);
  if (fs.existsSync(file)) throw alreadyThere(file);
  const server = await wanted(call);
  makeServer(server);
  if (call.json) printJson(server);
  else {
    print(`Made ${file} and a self-signed certificate in ${path.join(call.directory, "tls")}`);
    print(`Next: kenro user add NAME@${server.domains[0]} --dir ${call.directory}`);
    print(`Then: kenro start --dir ${call.directory}`);
  }
  return 0;
};

async function wanted({ directory, options }: Call): Promise<NewServer> {
  const ask = options["yes"] === true ? undefined : asker();
  try {
    const hostname =
      (options["hostname"] as string | undefined) ?? (await ask?.("Name of this machine", os.hostname()));
    const name = hostname ?? (options["yes"] === true ? os.hostname() : undefined);
    if (name === undefined) throw usage("Give the name of this machine: --hostname mail.example.org");
    if (!HOSTNAME.test(name)) throw usage(`"${name}" is not a host name such as "mail.example.org"`);
    const proposal = name.split(".").length > 2 ? name.slice(name.indexOf(".") + 1) : name;
    const given = options["domain"] as readonly string[] | undefined;
    const answered = given ?? (ask ? [await ask("Domain to receive mail for", proposal)] : undefined);
    const domains = answered ?? (options["yes"] === true ? [proposal] : undefined);
    if (domains === undefined) throw usage("Give a domain to receive mail for: --domain example.org");
    return {
      directory,
      hostname: name.toLowerCase(),
      domains: [...new Set(domains.map(domainOf))],
      portBase: portBaseOf(options["portBase"] as string | undefined),
    };
  } finally {
    ask?.close();
  }
}

function domainOf(given: string): string {
  const domain = parseDomain(given);
  if (!domain.ok) throw usage(`Cannot use this domain: ${domain.error}`);
  return domain.value;
}

function portBaseOf(given: string | undefined): number | undefined {
  if (given === undefined) return undefined;
  const base = /^\d{1,5}$/.test(given) ? Number(given) : Number.NaN;
  if (!(base >= 0 && base <= HIGHEST_BASE))
    throw usage(`Cannot use the port base "${given}": give a number from 0 to ${HIGHEST_BASE}`);
  return base;
}

/** Asks a person at the terminal; undefined when there is none. */
function asker():
  | (((question: string, proposal: string) => Promise<string>) & { close: () => void })
  | undefined {
  if (!process.stdin.isTTY || !process.stdout.isTTY) return undefined;
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  const ask = async (question: string, proposal: string) =>
    (await lines.question(`${question} [${proposal}]: `)).trim() || proposal;
  return Object.assign(ask, { close: () => lines.close() });
}

/** Makes the server; kenro.toml comes last, so that a directory with one is complete. Refusal when it cannot. */
export function makeServer({ directory, hostname, domains, portBase }: NewServer): void {
  try {
    fs.mkdirSync(directory, { recursive: true });
    process.chdir(directory);
    makeCertificate(hostname, domains);
    const draft = `${CONFIG_FILE}.new`;
    fs.writeFileSync(draft, formatConfig(choices({ hostname, domains, portBase })), {
      mode: 0o600,
      flush: true,
    });
    makeDirectories(ownersFrom(sections.users.settings.base.standard, process.getuid?.() === 0));
    // a link, because it does not replace one that somebody else has made meanwhile
    fs.linkSync(draft, CONFIG_FILE);
    fs.rmSync(draft);
    for (const domain of domains) runSelf(["domain", "add", domain, "--dir", directory]);
  } catch (thrown) {
    if (thrown instanceof Refusal) throw thrown;
    if (codeOf(thrown) === "EEXIST") throw alreadyThere(path.join(directory, CONFIG_FILE));
    throw new Refusal(
      `Cannot make a server in "${directory}": ${messageOf(thrown)}`,
      codeOf(thrown) === "ENOSPC" ? 111 : 1,
    );
  }
}

const alreadyThere = (file: string): Refusal =>
  new Refusal(
    `There is a server already: "${file}" exists; give another --dir, or start it with: kenro start --dir ${path.dirname(file)}`,
  );

function choices({ hostname, domains, portBase }: Omit<NewServer, "directory">): Choices {
  const names = { hostname, ...(domains[0] === undefined ? {} : { "drop.domain": domains[0] }) };
  if (portBase === undefined) return { ...names, ...(hasIpv6() ? {} : onlyIpv4()) };
  const listeners = Object.entries(standardPorts).map(([name, port]) => [
    `listen.${name}`,
    [`127.0.0.1:${portBase + port}`],
  ]);
  return { ...names, ...Object.fromEntries(listeners) };
}

/** Where the kernel has no IPv6 (many containers), listening on [::] would keep the server from starting. */
const hasIpv6 = (): boolean =>
  Object.values(os.networkInterfaces()).some((each) => each?.some(({ family }) => family === "IPv6"));

const onlyIpv4 = (): Choices =>
  Object.fromEntries(
    Object.entries(standardPorts)
      .filter(([name]) => sections.listen.settings[name as keyof typeof standardPorts].standard.length > 0)
      .map(([name, port]) => [`listen.${name}`, [`0.0.0.0:${port}`]]),
  );

function makeCertificate(hostname: string, domains: readonly string[]): void {
  fs.mkdirSync("tls", { recursive: true, mode: 0o700 });
  // a certificate that is there already is better than ours
  if (fs.existsSync("tls/cert.pem") && fs.existsSync("tls/key.pem")) return;
  const now = Date.now();
  const { certificate, key } = selfSigned({
    names: [...new Set([hostname, ...domains, "localhost"])],
    addresses: ["127.0.0.1"],
    // clients whose clock is behind
    from: now - 86_400_000,
    until: now + 10 * YEAR,
  });
  fs.writeFileSync("tls/key.pem", key, { mode: 0o600 });
  fs.writeFileSync("tls/cert.pem", certificate, { mode: 0o644 });
}
