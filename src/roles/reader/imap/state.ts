// The state of an IMAP session by lifetime: the connection and account; in it, at most one selected mailbox.

import type { Clock } from "#base/clock.ts";
import type { Message } from "#store/maildir/folder.ts";
import type { Tree } from "#store/maildir/tree.ts";
import type { Stream } from "#sys/conn.ts";
import type { Disk } from "#sys/disk.ts";
import type { FateTeller } from "#talk/fates.ts";
import type { Arguments } from "#wire/imap/lexer.ts";
import type { Place } from "../content.ts";
import type { Known } from "../known.ts";
import type { Output } from "../output.ts";
import type { View } from "./view.ts";

export interface Session {
  /** Reading sends first what has been said. */
  readonly stream: Pick<Stream, "read" | "destroy">;
  readonly out: Output;
  readonly tree: Tree;
  readonly disk: Disk;
  readonly clock: Clock;
  /** For names of files that APPEND and COPY make. */
  readonly host: string;
  /** Hears of messages that are moved into Junk or out of it. */
  readonly fates: Pick<FateTeller, "tell">;
  view: View | undefined;
  /** Shared by all sessions. */
  readonly known: Known;
  /** How far the last fetch of a part of a large message came. */
  lastPlace: { readonly message: Message; readonly place: Place } | undefined;
  /** Says an untagged line, without its CRLF. */
  say(line: string): Promise<void> | undefined;
}

/** How a command ends; only the loop writes it, behind its tag. */
export interface Tagged {
  readonly status: "OK" | "NO" | "BAD";
  /** "[TRYCREATE] …" */
  readonly text: string;
  readonly next?: "close" | "idle";
}

export const ok = (text: string): Tagged => ({ status: "OK", text });
export const no = (text: string): Tagged => ({ status: "NO", text });
export const bad = (text: string): Tagged => ({ status: "BAD", text });

export interface Verb {
  readonly needs: "login" | "selected";
  /** Expunges must not be told while it runs (RFC 9051 §7.5.1). */
  readonly keepsNumbers?: true;
  /** Reads the arguments, the space before them included, and runs; parse errors come out of `args.fail`. */
  readonly run: (session: Session, args: Arguments) => () => Promise<Tagged>;
}

/** A verb that reads its arguments first and then runs with them. */
export function verb<T>(
  needs: Verb["needs"],
  parse: (args: Arguments) => T,
  run: (session: Session, parsed: T) => Promise<Tagged>,
): Verb {
  return {
    needs,
    run: (session, args) => {
      const parsed = parse(args);
      args.end();
      return () => run(session, parsed);
    },
  };
}

/** As `verb`, for those that need a selected mailbox. */
export function selectedVerb<T>(
  parse: (args: Arguments) => T,
  run: (session: Session, view: View, parsed: T) => Promise<Tagged>,
): Verb {
  return verb("selected", parse, (session, parsed) =>
    // the loop has looked at `needs`; without a view there is nothing to run on
    session.view ? run(session, session.view, parsed) : Promise.resolve(bad("Select a mailbox first")),
  );
}
