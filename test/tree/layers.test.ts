// The tree is the architecture: imports go down the layers only, and rooms inside roles/ never meet.

import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import test from "node:test";

const layers = [
  "base",
  "wire",
  "sys",
  "config",
  "log",
  "store",
  "origin",
  "policy",
  "talk",
  "roles",
  "cli",
] as const;

const root = path.resolve(import.meta.dirname, "../..");
const imported = /(?:from|import)\s*\(?\s*"(#[^"]+|\.[^"]+)"/g;

interface Import {
  readonly from: string;
  readonly to: string;
}

function imports(file: string): readonly Import[] {
  const source = readFileSync(path.join(root, file), "utf8");
  return [...source.matchAll(imported)].map(([, name = ""]) => ({
    from: file,
    to: name.startsWith("#")
      ? name.replace(/^#/, "src/")
      : path.relative(root, path.resolve(root, path.dirname(file), name)),
  }));
}

const files = globSync("src/**/*.ts", { cwd: root }).filter((file) => !file.endsWith(".test.ts"));
const all = files.flatMap(imports);

const layerOf = (file: string) => file.split("/")[1] ?? "";
const roomOf = (file: string) => {
  const [, layer, room, ...rest] = file.split("/");
  return layer === "roles" && rest.length > 0 ? room : undefined;
};

test("every file lies in a layer", () => {
  for (const file of files) assert.ok((layers as readonly string[]).includes(layerOf(file)), file);
  assert.ok(all.length > 50, `only ${all.length} imports were found: is the pattern right?`);
});

test("imports go down the layers only", () => {
  const rank = (file: string) => (layers as readonly string[]).indexOf(layerOf(file));
  for (const { from, to } of all)
    assert.ok(rank(to) <= rank(from), `${from} imports ${to}, which lies above it`);
});

test("rooms inside roles/ never import rooms", () => {
  for (const { from, to } of all) {
    if (layerOf(from) !== "roles") continue;
    const [here, there] = [roomOf(from), roomOf(to)];
    assert.ok(there === undefined || here === there, `${from} imports ${to}, another room`);
  }
});

test("a room is entered only by its own files and by boot.ts; the supervisor's by the command line that starts it", () => {
  for (const { from, to } of all) {
    if (roomOf(to) === undefined || roomOf(from) === roomOf(to)) continue;
    if (layerOf(from) === "cli" && roomOf(to) === "supervisor") continue;
    assert.equal(from, "src/roles/boot.ts", `${from} imports ${to}`);
  }
});
