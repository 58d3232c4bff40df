// The state of an SMTP conversation by lifetime: the connection; in it the session that EHLO begins; in it the transaction that MAIL begins.

import type { SecureContext } from "node:tls";
import type { Stream } from "#sys/conn.ts";
import type { Injection } from "#talk/inject.ts";
import type { LoginAnswer } from "#talk/login.ts";
import type { RecipientAnswer } from "#talk/lookup.ts";
import type { Envelope } from "#wire/envelope.ts";

/** What smtpd asks of others; the dialogs in memory bring their own. */
export interface Others {
  recipient(address: string): Promise<RecipientAnswer>;
  login(user: string, password: string, address: string): Promise<LoginAnswer>;
  inject(session: string, envelope: Envelope): Promise<Injection>;
  slowDown(): Promise<void>;
  now(): number;
}

export interface Settings {
  readonly hostname: string;
  readonly class: "mx" | "submission";
  readonly maxSize: number;
  readonly maxRecipients: number;
  readonly tls: SecureContext | undefined;
}

/** MAIL … RSET or the end of DATA. */
export interface Transaction {
  readonly sender: string;
  readonly recipients: string[];
  readonly body: "7bit" | "8bitmime";
}

/** EHLO … STARTTLS or the end. */
export interface Session {
  readonly helo: string;
  readonly extended: boolean;
  transaction: Transaction | undefined;
}

/** Connect … close. */
export interface Connection {
  readonly id: string;
  readonly stream: Stream;
  readonly others: Others;
  readonly settings: Settings;
  session: Session | undefined;
  account: Extract<LoginAnswer, { kind: "welcome" }> | undefined;
  errors: number;
  failedLogins: number;
  messages: number;
  /** Reads one line that is no command (AUTH); undefined when the peer is gone. */
  ask(challenge: string): Promise<string | undefined>;
}
