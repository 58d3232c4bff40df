// header-8bit: bytes beyond ASCII in a header stand in encoded words (RFC 2047), or the sender says SMTPUTF8 (RFC 6532).

import { accept, rule, score } from "../verdict.ts";

export const header8bit = rule({
  id: "header-8bit",
  stage: "message",
  meaning:
    "The header has bytes beyond ASCII though its sender did not say SMTPUTF8: a point, 2 if they are not UTF-8.",
  mode: "enforce",
  spares: "known",
  judge: ({ message: { eightBit, utf8 } }) => {
    if (eightBit === "none" || (eightBit === "utf8" && utf8)) return accept();
    return eightBit === "utf8"
      ? score(1, "UTF-8 in the header without SMTPUTF8")
      : score(2, "bytes in the header that are neither ASCII nor UTF-8");
  },
});
