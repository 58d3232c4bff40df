// Fills a spool through the journal, as fast as it can be done, with messages that were tried once and wait.

import { systemClock } from "#base/clock.ts";
import { openSpool, type Spool } from "#store/spool/spool.ts";
import { type Disk, realDisk } from "#sys/disk.ts";

/** Messages in one write. */
const BATCH = 1000;

export interface Filling {
  readonly count: number;
  /** Bytes of each body. */
  readonly body: number;
  readonly recipient: (n: number) => string;
  /** When the first of them is due, ms since 1970; each other one a millisecond later. */
  readonly due: number;
}

/** The real disk without syncs of what is written: filling needs no safety. */
export const hasty: Disk = {
  ...realDisk,
  create: async (...words) => {
    const file = await realDisk.create(...words);
    return Object.assign(Object.create(file), {
      write: file.write.bind(file),
      close: file.close.bind(file),
      sync: async () => {},
      syncData: async () => {},
    });
  },
};

/** Adds the messages to the spool in a directory that nobody else has open. */
export async function fill(directory: string, filling: Filling): Promise<void> {
  const ignore = () => {};
  const events = { damage: ignore, syncFailed: ignore, trouble: ignore, forgotten: ignore, crowded: ignore };
  const spool = await openSpool({ disk: hasty, directory, clock: systemClock, events });
  const prefix = spool.prefix();
  for (let from = 0; from < filling.count; from += BATCH) {
    const numbers = Array.from({ length: Math.min(BATCH, filling.count - from) }, (_, n) => from + n);
    await Promise.all(numbers.map((n) => addOne(spool, filling, { n, id: `${prefix}-${n.toString(36)}` })));
  }
  await spool.journal.close();
}

async function addOne(
  { journal }: Spool,
  { body: size, recipient, due }: Filling,
  { n, id }: { readonly n: number; readonly id: string },
): Promise<void> {
  const body = Buffer.alloc(size, "a line of a message that waits\r\n");
  await journal.add(
    {
      id,
      arrived: Date.now(),
      envelope: {
        sender: `sender${n % 500}@example.test`,
        recipients: [{ address: recipient(n) }],
        body: "8bitmime",
        submitted: true,
      },
      size: body.length,
      file: false,
    },
    [body],
  );
  const text = "Connected to 192.0.2.1 but the greeting did not come in time.";
  const progress = { index: 0, state: "waiting", attempts: 1, next: due + n, code: "4.4.2", text } as const;
  journal.progress({ id, warned: false, recipients: [progress] }, "soon");
}
