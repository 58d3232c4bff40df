// Settings of where the server listens.

import { z } from "zod";
import { endpoint } from "./values.ts";

const listener = (port: number, meaning: string, seenBy: string) => ({
  type: z.array(endpoint),
  standard: [`0.0.0.0:${port}`, `[::]:${port}`],
  meaning: `${meaning} An empty list switches it off.`,
  seenBy: ["supervisor", seenBy],
});

/** Off unless somebody says where. */
const without = (meaning: string) => ({
  type: z.array(endpoint),
  standard: [],
  meaning: `${meaning} An empty list switches it off.`,
  seenBy: ["supervisor", "smtpd"],
});

/** The section [listen]. */
export const listenSection = {
  meaning: "Where the server listens: addresses with ports.",
  settings: {
    mx: listener(25, "Mail from other servers (SMTP).", "smtpd"),
    submission: listener(587, "Mail from your users, STARTTLS (RFC 6409).", "smtpd"),
    submissions: listener(465, "Mail from your users, TLS from the start (RFC 8314).", "smtpd"),
    pop3: listener(110, "POP3 with STLS.", "gate"),
    pop3s: listener(995, "POP3 with TLS from the start.", "gate"),
    imap: listener(143, "IMAP with STARTTLS.", "gate"),
    imaps: listener(993, "IMAP with TLS from the start.", "gate"),
    qmtp: without("Mail from other servers (QMTP, usually port 209; docs/qmtp.md)."),
    qmqp: without(
      "Mail for anybody from this machine (QMQP, usually port 628; docs/qmtp.md); for other clients write a [[listener]] with `networks`.",
    ),
  },
};
