// A made-up /var/qmail in a temporary directory, with a queue in qmail's real layout: split 23, messages named after their inodes.

import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";

const SPLIT = 23;

export interface Letter {
  readonly text: string;
  readonly sender: string;
  /** Addresses with T or D in front, as in the files. */
  readonly local?: readonly string[];
  readonly remote?: readonly string[];
  /** Instead of local and remote: not preprocessed yet. */
  readonly todo?: readonly string[];
  /** No envelope at all. */
  readonly unfinished?: boolean;
  readonly bounce?: string;
}

export class QmailTree {
  readonly directory: string;

  constructor(context: TestContext, files: Readonly<Record<string, string>>) {
    this.directory = fs.mkdtempSync(path.join(tmpdir(), "kenro-qmail-"));
    context.after(() => fs.rmSync(this.directory, { recursive: true, force: true }));
    for (const name of ["pid", "intd", "todo", "bounce", "lock"])
      fs.mkdirSync(this.#at("queue", name), { recursive: true });
    for (const name of ["mess", "info", "local", "remote"])
      for (let split = 0; split < SPLIT; split++)
        fs.mkdirSync(this.#at("queue", name, String(split)), { recursive: true });
    for (const [name, text] of Object.entries(files)) {
      fs.mkdirSync(path.dirname(this.#at(name)), { recursive: true });
      fs.writeFileSync(this.#at(name), text, "latin1");
    }
  }

  #at(...names: readonly string[]): string {
    return path.join(this.directory, ...names);
  }

  /** Puts a message into the queue; its number. */
  letter({ text, sender, local = [], remote = [], todo, unfinished = false, bounce }: Letter): string {
    const draft = this.#at("queue/pid/draft");
    fs.writeFileSync(draft, text, "latin1");
    const number = String(fs.statSync(draft).ino);
    const split = String(Number(number) % SPLIT);
    fs.renameSync(draft, this.#at("queue/mess", split, number));
    const write = (at: string, records: readonly string[]) =>
      fs.writeFileSync(this.#at("queue", at), records.map((each) => `${each}\0`).join(""), "latin1");
    if (unfinished) return number;
    if (todo) write(`todo/${number}`, ["u0", "p123", `F${sender}`, ...todo]);
    else {
      write(`info/${split}/${number}`, [`F${sender}`]);
      if (local.length > 0) write(`local/${split}/${number}`, local);
      if (remote.length > 0) write(`remote/${split}/${number}`, remote);
    }
    if (bounce !== undefined) fs.writeFileSync(this.#at("queue/bounce", number), bounce);
    return number;
  }

  /** Every file with its bytes, mode and times of change and access: what must be the same afterwards. */
  picture(): readonly string[] {
    return fs
      .readdirSync(this.directory, { recursive: true, encoding: "utf8" })
      .sort()
      .map((name) => {
        const stat = fs.lstatSync(this.#at(name));
        const bytes = stat.isFile() ? fs.readFileSync(this.#at(name)).toString("base64") : "";
        return `${name} ${stat.mode} ${stat.ino} ${stat.mtimeMs} ${stat.ctimeMs} ${bytes}`;
      });
  }
}
