// Settings of mail from programs on this machine.

import { z } from "zod";
import { HOSTNAME } from "./values.ts";

const domain = z
  .string()
  .regex(new RegExp(`^$|${HOSTNAME.source}`), 'expected a domain such as "example.org"');

/** The section [drop]. */
export const dropSection = {
  meaning: "Mail from programs on this machine, by `kenro sendmail` (docs/sendmail.md).",
  settings: {
    domain: {
      type: domain,
      standard: "",
      meaning:
        'Completes addresses without a domain: "root" becomes root@ this domain, and so does the sender; "" for the name of this machine.',
      seenBy: ["queue"],
    },
    default_domain: {
      type: domain,
      standard: "",
      meaning:
        'Completes hosts without a dot for `kenro inject` (docs/inject.md): "ann@desk" becomes ann@desk. and this domain; "" for the name of this machine without its first label.',
      seenBy: ["queue"],
    },
    plus_domain: {
      type: domain,
      standard: "",
      meaning:
        'Takes the place of a "+" that ends a host, for `kenro inject`: "ann@desk+" becomes ann@desk. and this domain; "" for the last two labels of the name of this machine.',
      seenBy: ["queue"],
    },
  },
};
