// health: the supervisor and each role, on the descriptor the role was born with. Its end means: the other one is gone.
//   supervisor → role   CONFIGURE {slice}, STOP            role → supervisor   READY, REFUSED {why}

import { integer, record, type Shape, type Shaped, text } from "#base/shape.ts";

export const CONFIGURE = 1;
export const STOP = 2;
export const READY = 3;
/** A reload was not taken over, or the role cannot start; payload is one sentence. */
export const REFUSED = 4;

/** The descriptor this conversation has in every role. */
export const HEALTH_FD = 3;

export const configureShape = record({
  role: text(32),
  index: integer(0, 1000),
  /** Network listeners by name → descriptor. */
  listeners: stringMap(),
  /** Talk sockets we answer on, by the name of the peer → descriptor. */
  answers: stringMap(),
  /** Our part of the configuration; read with the shape of our own role. */
  slice: ((value) => value) as Shape<unknown>,
});

export type Configure = Shaped<typeof configureShape>;

function stringMap(): Shape<Readonly<Record<string, number>>> {
  const number = integer(3, 1000);
  return (value, where) => {
    const source = record({})(value, where) && (value as Record<string, unknown>);
    return Object.fromEntries(
      Object.entries(source).map(([name, fd]) => [name, number(fd, `${where}.${name}`)]),
    );
  };
}
