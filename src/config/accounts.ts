// Settings of accounts and their mailboxes.

import { z } from "zod";
import { duration } from "./values.ts";

/** The section [accounts]. */
export const accountsSection = {
  meaning: "Accounts and what is delivered to them (docs/directory.md).",
  settings: {
    extension_marks: {
      type: z.string().regex(/^[-+=#]{0,4}$/, 'expected some of "-", "+", "=" and "#"'),
      standard: "-+",
      meaning:
        'Signs between the name of an account and an extension: with "-" mail for ann-shop@ is ann\'s, where there is no such address of its own. "" for none.',
      seenBy: ["auth"],
    },
    extension_folders: {
      type: z.enum(["on", "off"]),
      standard: "on",
      meaning: '"on": mail for ann-shop@ goes into the folder Shop of ann, if she has one.',
      seenBy: ["auth"],
    },
    full_wait: {
      type: duration,
      standard: "1d",
      meaning:
        "How long mail waits that came in before its mailbox was full, before it goes back to its sender.",
      seenBy: ["local"],
    },
  },
};
