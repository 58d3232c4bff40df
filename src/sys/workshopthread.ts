// The thread of a workshop. Sources are loaded as modules without a place: they can import nothing from the disk.

import { stripTypeScriptTypes } from "node:module";
import { parentPort } from "node:worker_threads";

export type Asked =
  | { readonly id: number; readonly kind: "load"; readonly name: string; readonly source: string }
  | { readonly id: number; readonly kind: "call"; readonly name: string; readonly argument: unknown };

export interface Told {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

type Exports = Readonly<Record<string, unknown>>;

const loaded = new Map<string, Exports>();

/** Nothing but what JSON holds: no functions, no promises, no memory that is shared. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value) ?? "null");

async function load(name: string, source: string): Promise<unknown> {
  loaded.delete(name);
  const code = `${stripTypeScriptTypes(source)}\n//# sourceURL=${encodeURI(name)}`;
  const exports = (await import(
    `data:text/javascript;base64,${Buffer.from(code).toString("base64")}`
  )) as Exports;
  loaded.set(name, exports);
  return plain({ ...exports, judges: typeof exports["judge"] === "function" });
}

async function call(name: string, argument: unknown): Promise<unknown> {
  const judge = loaded.get(name)?.["judge"];
  if (typeof judge !== "function") throw new Error("it exports no function `judge`");
  return plain(await judge(argument));
}

async function answer(asked: Asked): Promise<Told> {
  const { id } = asked;
  try {
    const value = await (asked.kind === "load"
      ? load(asked.name, asked.source)
      : call(asked.name, asked.argument));
    return { id, value };
  } catch (thrown) {
    // whatever it throws, also what is no Error or has no message
    const text = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : typeof thrown;
    return { id, error: text.slice(0, 500) };
  }
}

parentPort?.on("message", (asked: Asked) => {
  void answer(asked).then((told) => parentPort?.postMessage(told));
});
