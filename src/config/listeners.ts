// The listeners of a configuration: the lists of [listen] and the blocks [[listener]] in one form, and what cannot go together.

import type { Problem } from "./lines.ts";
import type { Config } from "./schema.ts";

type Block = Config["listener"][number];

/** What is not given in a block holds as in [smtp] or [gate]. */
type Own = Pick<Partial<Block>, Exclude<keyof Block, "name" | "class" | "addresses">>;

export interface ListenerOf {
  readonly role: "smtpd" | "gate";
  /** For the log: "mx", "imaps", the name of a block. */
  readonly name: string;
  readonly class: Block["class"];
  readonly tls: Block["tls"];
  readonly sockets: readonly Socket[];
  readonly own: Own;
}

interface Socket {
  readonly role: ListenerOf["role"];
  /** "mx.0", "printers.1": listener and place in its list. */
  readonly name: string;
  readonly address: string;
  readonly port: number;
}

const services = {
  mx: { class: "mx", tls: "starttls" },
  submission: { class: "submission", tls: "starttls" },
  submissions: { class: "submission", tls: "implicit" },
  pop3: { class: "pop3", tls: "starttls" },
  pop3s: { class: "pop3", tls: "implicit" },
  imap: { class: "imap", tls: "starttls" },
  imaps: { class: "imap", tls: "implicit" },
  qmtp: { class: "qmtp", tls: "none" },
  qmqp: { class: "qmqp", tls: "none" },
} as const satisfies Record<keyof Config["listen"], Pick<Block, "class" | "tls">>;

const roleOf = (kind: Block["class"]): ListenerOf["role"] =>
  kind === "pop3" || kind === "imap" ? "gate" : "smtpd";

/** Every network listener of the configuration that has an address. */
export function listenersOf(config: Config): readonly ListenerOf[] {
  const simple = Object.entries(services).map(([name, { class: kind, tls }]) => ({
    name,
    class: kind,
    addresses: config.listen[name as keyof Config["listen"]],
    tls,
  }));
  return [...simple, ...config.listener]
    .filter(({ addresses }) => addresses.length > 0)
    .map(({ name, class: kind, addresses, tls, ...own }) => {
      const role = roleOf(kind);
      const sockets = addresses.map((where, at) => ({
        role,
        name: `${name}.${at}`,
        ...splitEndpoint(where),
      }));
      return { role, name, class: kind, tls, sockets, own };
    });
}

function splitEndpoint(where: string): { readonly address: string; readonly port: number } {
  const colon = where.lastIndexOf(":");
  return { address: where.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(where.slice(colon + 1)) };
}

/** What is wrong with listeners that are each well formed. */
export function listenerProblems(config: Config): readonly Problem[] {
  return [
    ...claimedTwice(config),
    ...config.listener.flatMap((block, at) => blockProblems(config, block, at)),
  ];
}

/** Two services cannot have one port; the system would only say that it is in use. */
function claimedTwice({ listen, listener }: Config): readonly Problem[] {
  const claims = [
    ...Object.entries(listen).map(([service, endpoints]) => ({
      where: ["listen", service],
      by: `"listen.${service}"`,
      endpoints,
    })),
    ...listener.map(({ name, addresses }, at) => ({
      where: ["listener", String(at), "addresses"],
      by: `listener "${name}"`,
      endpoints: addresses,
    })),
  ];
  const claimed = new Map<string, string>();
  return claims.flatMap(({ where, by, endpoints }) =>
    endpoints.flatMap((endpoint) => {
      const before = claimed.get(endpoint);
      claimed.set(endpoint, by);
      return before === undefined ? [] : [{ where, text: `"${endpoint}" is in ${before} already` }];
    }),
  );
}

const judged = ["mx", "qmtp"] as const;
const talking = ["mx", "submission", "lan"] as const;
const taking = [...talking, "qmtp", "qmqp"] as const;

/** Settings that only some classes have. */
const only: Readonly<Partial<Record<keyof Block, readonly Block["class"][]>>> = {
  networks: ["lan", "qmqp"],
  observe: judged,
  off: judged,
  reject_score: judged,
  suspicious_score: judged,
  client_ca: ["submission"],
  max_size: taking,
  max_recipients: taking,
  max_header: taking,
  max_fields: taking,
  max_hops: taking,
  max_command: talking,
  messages_per_connection: taking,
  errors_per_connection: taking,
  command_timeout: taking,
  body_timeout: taking,
  session_time: taking,
};

const isGiven = (value: Block[keyof Block]): boolean =>
  value !== undefined && value !== "" && !(Array.isArray(value) && value.length === 0);

function blockProblems({ listener }: Config, block: Block, at: number): readonly Problem[] {
  const problem = (setting: keyof Block, text: string): Problem => ({
    where: ["listener", String(at), setting],
    text,
  });
  const strange = Object.entries(only).flatMap(([name, classes]) => {
    const setting = name as keyof Block;
    if (classes.includes(block.class) || !isGiven(block[setting])) return [];
    return [problem(setting, `only a listener of class ${classes.join(", ")} has this`)];
  });
  const problems = [...strange];
  const taken =
    Object.hasOwn(services, block.name) || listener.findIndex(({ name }) => name === block.name) < at;
  if (taken) problems.push(problem("name", `another listener is called "${block.name}"`));
  if (block.class === "lan" && block.networks.length === 0)
    problems.push(
      problem("networks", "say which clients may send to anybody, or this would be an open relay"),
    );
  if ((block.class === "qmtp" || block.class === "qmqp") && block.tls === "starttls")
    problems.push(problem("tls", `${block.class} has no STARTTLS: say "none" or "implicit"`));
  if (block.class === "submission" && block.tls === "none")
    problems.push(problem("tls", "logins are taken under TLS only"));
  return problems;
}
