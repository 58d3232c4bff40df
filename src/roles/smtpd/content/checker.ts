// Checker: a program that looks at a message while it streams to the queue. Each kind speaks its own protocol; all are asked in the same way.

import type { ContentSlice } from "#config/slice.ts";

/** What a checker is told of a message before its body comes. */
export interface Subject {
  readonly session: string;
  /** Its id in the queue. */
  readonly id: string;
  readonly hostname: string;
  readonly listener: string;
  readonly client: {
    /** "" when nobody knows it. */
    readonly address: string;
    readonly port: number;
    /** Verified, or said by a proxy; "" for none. */
    readonly name: string;
  };
  readonly hello: string;
  /** "" is the null sender. */
  readonly sender: string;
  readonly recipients: readonly string[];
  /** Who has logged in. */
  readonly user: string | undefined;
  readonly tls: { readonly version: string; readonly cipher: string } | undefined;
  /** The header section with its blank line, without our Received. */
  readonly header: Buffer;
}

export type AddedField = readonly [name: string, value: string];

/** What a checker says. What it cannot say is Trouble. */
export type Finding =
  | { readonly kind: "clean"; readonly evidence: string; readonly fields: readonly AddedField[] }
  | {
      readonly kind: "refuse";
      /** 4yz or 5yz. */
      readonly code: number;
      readonly enhanced: string;
      /** For the client. */
      readonly text: string;
      /** For the administrator. */
      readonly evidence: string;
      /** It may be a mistake (docs/rejects.md). */
      readonly plausible?: boolean;
    };

/** One message before one checker. Everything may reject with Trouble; a finding before the end is final. */
export interface Dialogue {
  /** Everything up to the body. */
  begin(): Promise<Finding | undefined>;
  /** The next bytes of the body. Resolves when more may come: a checker that is slow makes the client wait. */
  part(bytes: Buffer): Promise<Finding | undefined>;
  end(): Promise<Finding>;
  /** Ends the connection, whatever is under way. */
  close(): void;
}

export interface Checker extends ContentSlice {
  open(subject: Subject): Dialogue;
  /** Trouble when it is not there, or would not work with us. */
  ping(): Promise<void>;
}

export const clean = (evidence = "", fields: readonly AddedField[] = []): Finding => ({
  kind: "clean",
  evidence,
  fields,
});

export const refuse = (text: string, evidence: string, code = 550, enhanced = "5.7.1"): Finding => ({
  kind: "refuse",
  code,
  enhanced,
  text,
  evidence,
});
