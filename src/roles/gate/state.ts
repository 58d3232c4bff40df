// What a connection at the gate is before somebody has logged in, for both protocols.

import { isLoopback } from "#base/address.ts";
import type { Stream } from "#sys/conn.ts";
import type { ServerTls } from "#sys/tls.ts";
import type { LoginAnswer } from "#talk/login.ts";

export interface Door {
  readonly stream: Stream;
  readonly hostname: string;
  readonly session: string;
  /** Undefined: no STARTTLS here. */
  readonly tls: ServerTls | undefined;
  /** Asks auth. Trouble when it is away. */
  login(user: string, password: string): Promise<LoginAnswer>;
  /** Gives the connection to a reader, with what the client has sent already; false: none would take it, and it is still ours. */
  handOver(welcome: Extract<LoginAnswer, { kind: "welcome" }>, tag: string, rest: Buffer): Promise<boolean>;
  /** Waits before a failed login is answered. */
  slowDown(): Promise<void>;
}

/** Passwords in clear are taken from this machine only: nobody listens in between, and local tools and the demonstration need it. */
export const mayLogIn = ({ stream }: Door): boolean => stream.tls !== undefined || isLoopback(stream.address);

/** Whether STARTTLS (STLS) makes sense now. */
export const maySecure = ({ stream, tls }: Door): boolean => tls !== undefined && stream.tls === undefined;

export type DoorEnd =
  /** A reader has it; it is no longer ours. */
  { readonly kind: "handedOver" } | { readonly kind: "over"; readonly reason: string };

export const over = (reason: string): DoorEnd => ({ kind: "over", reason });
