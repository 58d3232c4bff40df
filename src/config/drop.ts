// Settings of mail from programs on this machine.

import { z } from "zod";
import { HOSTNAME } from "./values.ts";

/** The section [drop]. */
export const dropSection = {
  meaning: "Mail from programs on this machine, by `kenro sendmail` (docs/sendmail.md).",
  settings: {
    domain: {
      type: z.string().regex(new RegExp(`^$|${HOSTNAME.source}`), 'expected a domain such as "example.org"'),
      standard: "",
      meaning:
        'Completes addresses without a domain: "root" becomes root@ this domain, and so does the sender; "" for the name of this machine.',
      seenBy: ["queue"],
    },
  },
};
