// The checkers of the configuration.

import type { Clock } from "#base/clock.ts";
import type { ContentSlice } from "#config/slice.ts";
import type { Checker, Dialogue, Subject } from "./checker.ts";
import { ClamavDialogue, pingClamav } from "./clamav.ts";
import { MilterDialogue, pingMilter } from "./milter.ts";
import { pingRspamd, RspamdDialogue } from "./rspamd.ts";
import type { ServiceOptions } from "./service.ts";

interface Kind {
  readonly open: (subject: Subject, options: ServiceOptions) => Dialogue;
  readonly ping: (options: ServiceOptions) => Promise<void>;
}

const kinds: { readonly [K in ContentSlice["kind"]]: Kind } = {
  clamav: { open: (subject, options) => new ClamavDialogue(subject, options), ping: pingClamav },
  milter: { open: (subject, options) => new MilterDialogue(subject, options), ping: pingMilter },
  rspamd: { open: (subject, options) => new RspamdDialogue(subject, options), ping: pingRspamd },
};

/** ms */
const SPARE = 1000;

/** In the order of the configuration. */
export function checkersOf(content: readonly ContentSlice[], clock: Clock): readonly Checker[] {
  return content.map((slice) => {
    const { open, ping } = kinds[slice.kind];
    const { address, timeout } = slice;
    return {
      ...slice,
      // an examination ends by its own time, which says more than that of a single wait
      open: (subject) => open(subject, { clock, address, timeout: timeout + SPARE }),
      ping: () => ping({ clock, address, timeout }),
    };
  });
}
