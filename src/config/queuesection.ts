// [queue]: how long mail is kept, and how much is delivered at a time.

import { z } from "zod";
import { count, duration, type Setting, size } from "./values.ts";

export const queueSection = {
  meaning: "Keeping and delivering mail.",
  settings: {
    lifetime: {
      type: duration.pipe(z.int().min(1000)),
      standard: "7d",
      meaning: "How long delivery is tried before the message goes back to its sender.",
      seenBy: ["queue"],
    },
    local_concurrency: {
      type: count(0, 1000),
      standard: 100,
      meaning: "Deliveries into mailboxes at a time; with 0 mail waits as if it were held.",
      seenBy: ["queue"],
    },
    remote_concurrency: {
      type: count(0, 1000),
      standard: 20,
      meaning: "Deliveries to other servers at a time; with 0 mail waits as if it were held.",
      seenBy: ["queue"],
    },
    destination_concurrency: {
      type: count(1, 1000),
      standard: 10,
      meaning: "Deliveries to one destination at a time, at most.",
      seenBy: ["queue"],
    },
    destination_start: {
      type: count(1, 1000),
      standard: 2,
      meaning: "Deliveries to a destination at a time before it has taken any; more as it takes them.",
      seenBy: ["queue"],
    },
    free_space: {
      type: size,
      standard: "64M",
      meaning: "With less free space than this, new mail is answered with 452 until there is more.",
      seenBy: ["queue"],
    },
  },
} as const satisfies { readonly meaning: string; readonly settings: Readonly<Record<string, Setting>> };
