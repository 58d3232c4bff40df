// Texts for property tests: any characters, half of them ASCII, lone surrogates and control characters among them.

import fc from "fast-check";

const character = fc
  .oneof(fc.integer({ min: 0, max: 127 }), fc.integer({ min: 0, max: 0xffff }))
  .map((code) => String.fromCharCode(code));

/** Any text. The library's own unit "binary" lists all of Unicode first, which takes seconds. */
export const anyText = (maxLength = 60): fc.Arbitrary<string> => fc.string({ unit: character, maxLength });
