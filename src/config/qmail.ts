// Settings for what sites that come from qmail are used to.

import { z } from "zod";
import { HOSTNAME } from "./values.ts";

const domain = z.string().toLowerCase().regex(HOSTNAME, 'expected a domain such as "example.org"');

const host = z
  .string()
  .toLowerCase()
  .regex(/^\.?[^\s@.]+(?:\.[^\s@.]+)*$/, 'expected "example.org", or ".example.org" for all below it');

/** The section [qmail]. */
export const qmailSection = {
  meaning:
    "What qmail's control files of these names say of addresses (docs/qmail.md); `kenro import qmail` fills it.",
  settings: {
    rcpthosts: {
      type: z.array(host).max(50_000),
      standard: [],
      meaning:
        'Domains that are not ours and for which mail is taken from anybody, to be sent on: "example.org", ".example.org" for all below it. Who lists a domain here is a second exchanger for it.',
      seenBy: ["smtpd"],
    },
    percenthack: {
      type: z.array(domain).max(1000),
      standard: [],
      meaning: 'Domains of which "user%host@domain" means user@host.',
      seenBy: ["smtpd", "queue"],
    },
    envnoathost: {
      type: z
        .string()
        .toLowerCase()
        .regex(new RegExp(`^$|${HOSTNAME.source}`), 'expected a domain such as "example.org"'),
      standard: "",
      meaning:
        'The domain of recipients without one, which come by QMTP and QMQP; "" for the name of this machine.',
      seenBy: ["smtpd"],
    },
  },
} as const;
