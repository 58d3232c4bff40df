// ledger: remembers who has sent what kind of mail, answers smtpd from memory, and keeps the records of sessions (docs/ledger.md).

import path from "node:path";
import type { Clock } from "#base/clock.ts";
import type { Logger } from "#log/logger.ts";
import { formatFate } from "#policy/replay/fate.ts";
import { MemoryFile } from "#store/ledger/memory.ts";
import { SessionFiles } from "#store/ledger/sessions.ts";
import { type Disk, realDisk } from "#sys/disk.ts";
import { answerVerbs, type Handled, on } from "#talk/answerer.ts";
import * as recall from "#talk/recall.ts";
import type { Start } from "../boot.ts";
import { banKey } from "./bans.ts";
import { Ledger } from "./ledger.ts";
import { listOf, makeTables } from "./tables.ts";

/** Below the data directory. */
const LEDGER = "ledger";
const SESSIONS = "ledger/sessions";

/** What smtpd may ask. */
export function smtpdVerbs(ledger: Ledger, sessions: Pick<SessionFiles, "add">): readonly Handled[] {
  return [
    on(recall.meet, ({ address }) => ledger.meet(address)),
    on(recall.correspondent, ({ address }) => ({ known: ledger.correspondent(address) })),
    on(recall.greylist, ({ who, sender, recipient }) => ledger.greylist(who, sender, recipient)),
    on(recall.regard, ({ hello, confirmed, domain }) => ledger.regard(hello, confirmed, domain)),
    on(recall.note, (session) => {
      ledger.note(session);
      // while it is known: what our users write to is forgotten one day
      const correspondent = session.sender !== "" && ledger.correspondent(session.sender);
      sessions.add(JSON.stringify(correspondent ? { ...session, correspondent } : session));
      return {};
    }),
    on(recall.wrote, ({ recipients }) => {
      ledger.wrote(recipients);
      return {};
    }),
  ];
}

/** What local and reader may tell. */
export function mailVerbs(
  ledger: Ledger,
  sessions: Pick<SessionFiles, "add">,
  clock: Clock,
): readonly Handled[] {
  return [
    on(recall.became, ({ fates }) => {
      for (const fate of fates) {
        ledger.became(fate);
        sessions.add(formatFate(fate, clock.now()));
      }
      return {};
    }),
  ];
}

export interface ControlOptions {
  readonly ledger: Ledger;
  readonly memory: Pick<MemoryFile, "flush">;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What the command line may ask. */
export function controlVerbs({ ledger, memory, clock, log }: ControlOptions): readonly Handled[] {
  return [
    on(recall.banAdd, async ({ client, ...ban }) => {
      const key = banKey(client);
      if (!key.ok) return { problem: key.error };
      ledger.bans.add(key.value, ban, clock.now());
      const until = new Date(ban.until).toISOString();
      log.event("ledger_ban", { client: key.value, until, why: ban.why, author: ban.author });
      await memory.flush();
      return { problem: "" };
    }),
    on(recall.banDelete, async ({ client }) => {
      const key = banKey(client);
      const found = key.ok && ledger.bans.remove(key.value);
      if (found) log.event("ledger_unban", { client });
      await memory.flush();
      return { found };
    }),
    on(recall.banList, ({ after, most }) => ({ bans: ledger.bans.page(after, most, clock.now()) })),
  ];
}

export interface OpenOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly disk?: Disk;
  /** The data directory; the working directory. */
  readonly directory?: string;
}

/** The files of the role: their directories are made when they are not there. */
export async function openLedger(
  slice: Parameters<Start<"ledger">>[0]["slice"],
  { clock, log, disk = realDisk, directory = "." }: OpenOptions,
) {
  const sessionsAt = path.join(directory, SESSIONS);
  await disk.makeDirectory(sessionsAt, 0o700);
  const trouble = ({ message }: Error) => log.event("trouble", { reason: message });
  let settings = slice;
  const tables = makeTables(() => settings.greylistWindow);
  const began = clock.monotonic();
  const { memory, recovered } = await MemoryFile.open({
    disk,
    directory: path.join(directory, LEDGER),
    clock,
    tables: listOf(tables),
    trouble,
  });
  log.event("ledger_recovered", { ...recovered, ms: Math.round(clock.monotonic() - began) });
  const sessions = new SessionFiles({ disk, directory: sessionsAt, clock, keeping: slice, trouble });
  const ledger = new Ledger({ clock, log, tables, settings });
  const reload = (next: typeof slice) => {
    settings = next;
    ledger.settings = next;
    sessions.keeping = next;
  };
  return { ledger, memory, sessions, reload };
}

export const start: Start<"ledger"> = async ({ slice, clock, log, answers }) => {
  const { ledger, memory, sessions, reload } = await openLedger(slice, { clock, log });
  const trouble = (text: string) => log.event("peer_garbage", { text });
  const answering = [
    await answerVerbs(answers("smtpd"), smtpdVerbs(ledger, sessions), { trouble }),
    await answerVerbs(answers("local"), mailVerbs(ledger, sessions, clock), { trouble }),
    await answerVerbs(answers("reader"), mailVerbs(ledger, sessions, clock), { trouble }),
    await answerVerbs(answers("control"), controlVerbs({ ledger, memory, clock, log }), { trouble }),
  ];
  log.event("ready");
  return {
    reload: (next) => {
      reload(next);
      log.event("reloaded");
    },
    stop: async () => {
      log.event("stopping");
      for (const each of answering) each.close();
      await Promise.all([memory.close(), sessions.close()]);
    },
  };
};
