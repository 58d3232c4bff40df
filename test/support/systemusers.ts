// Users of the machine that no /etc/passwd knows: a passwd of their own, homes below a temporary directory, a server that delivers to them.

import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";
import { eventually, World } from "./world.ts";

export const asRoot = process.getuid?.() === 0;

const sendmail = path.resolve(import.meta.dirname, "../../bin/sendmail");

export class SystemWorld {
  readonly world: World;
  readonly homes: string;
  readonly #uids: ReadonlyMap<string, number>;

  private constructor(world: World, homes: string, uids: ReadonlyMap<string, number>) {
    this.world = world;
    this.homes = homes;
    this.#uids = uids;
  }

  /** Started, with these users in the domain sys.test. `settings` are lines of [system_users]. */
  static async start(
    context: TestContext,
    users: readonly string[],
    settings: Readonly<Record<string, string>> = {},
  ): Promise<SystemWorld> {
    const homes = fs.mkdtempSync(path.join(tmpdir(), "kenro-homes-"));
    fs.chmodSync(homes, 0o755);
    context.after(() => fs.rmSync(homes, { recursive: true, force: true }));
    const first = 40_000 + (process.pid % 2000) * 8;
    const uids = new Map(users.map((user, at) => [user, first + at]));
    for (const [user, uid] of uids) {
      fs.mkdirSync(path.join(homes, user), { mode: 0o700 });
      fs.chownSync(path.join(homes, user), uid, uid);
    }
    const lines = [...uids].map(
      ([user, uid]) => `${user}:x:${uid}:${uid}::${path.join(homes, user)}:/bin/sh\n`,
    );
    const passwd = path.join(homes, "passwd");
    fs.writeFileSync(passwd, lines.join(""));
    const values = { enabled: '"on"', domains: '["sys.test"]', passwd: `"${passwd}"`, ...settings };
    const world = await World.start(context, (toml) => withSettings(toml, values));
    return new SystemWorld(world, homes, uids);
  }

  uid(user: string): number {
    return this.#uids.get(user) ?? -1;
  }

  at(user: string, name = ""): string {
    return path.join(this.homes, user, name);
  }

  /** A file of a user. */
  write(user: string, name: string, text: string | Buffer, mode = 0o600): string {
    const at = this.at(user, name);
    fs.writeFileSync(at, text);
    fs.chownSync(at, this.uid(user), this.uid(user));
    fs.chmodSync(at, mode);
    return at;
  }

  /** What is in a user's file now; undefined: there is none. */
  read(user: string, name: string): string | undefined {
    const at = this.at(user, name);
    return fs.existsSync(at) ? fs.readFileSync(at, "utf8") : undefined;
  }

  /** Waits until a user has a file, which is not empty. */
  wait(user: string, name: string): Promise<string> {
    return eventually(() => this.read(user, name) || undefined);
  }

  /** The files in a Maildir of a user. */
  maildir(user: string, name = "Maildir"): readonly string[] {
    const at = this.at(user, `${name}/new`);
    return fs.existsSync(at) ? fs.readdirSync(at).map((file) => path.join(at, file)) : [];
  }

  /** Sends by the sendmail of this server. */
  send(to: string | readonly string[], text = "Subject: x\n\nhello\n", from = "s@x.test"): void {
    const run = spawnSync(sendmail, ["-i", "-f", from, ...[to].flat()], {
      input: text,
      env: { ...process.env, KENRO_DIR: this.world.dir },
    });
    if (run.status !== 0) throw new Error(`sendmail: ${run.status}: ${run.stderr}`);
  }

  /** What lspawn said of deliveries: "outcome text", by recipient, in order. */
  outcomes(to: string): readonly string[] {
    const lines = this.world.kenro(["log", "--json"]).split("\n").filter(Boolean);
    return lines
      .map(
        (line) =>
          JSON.parse(line) as { readonly event: string; readonly fields: Readonly<Record<string, string>> },
      )
      .filter(({ event, fields }) => event === "lspawn_delivery" && fields["to"] === to)
      .map(({ fields }) => `${fields["outcome"]} ${fields["text"]}`);
  }

  /** The next outcome for an address, when there are `count` of them. */
  outcome(to: string, count = 1): Promise<string> {
    return eventually(() => this.outcomes(to)[count - 1]);
  }
}

/** Changes settings of the section [system_users]. */
function withSettings(toml: string, values: Readonly<Record<string, string>>): string {
  const start = toml.indexOf("[system_users]");
  let section = toml.slice(start);
  for (const [name, value] of Object.entries(values))
    section = section.replace(new RegExp(`^${name} = .*$`, "m"), `${name} = ${value}`);
  return toml.slice(0, start) + section;
}
