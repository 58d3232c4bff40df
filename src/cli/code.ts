// The code a server runs: the checkout's TypeScript, stripped once into plain JavaScript below the data directory. Type stripping in every
// role would cost each of them 20 MB of memory and half a second (docs/decisions/0005); and a role that is started again after the
// checkout was updated still fits to the supervisor that has been running since before.

import { createHash } from "node:crypto";
import fs from "node:fs";
import module from "node:module";
import path from "node:path";
import { isRunning } from "./server.ts";

/** The checkout, or the tree in which this file lies. */
const ROOT = path.resolve(import.meta.dirname, "../..");
const TREES = "run/code";
const PACKAGE = "package.json";
const DIGEST = "digest";
/** Where the command was called: what it was given, such as --dir, may be relative to it. */
const CALLED_IN = process.cwd();

/** Specifiers of our own modules: relative, or by the package's `imports`. */
const SPECIFIER = /(\bfrom\s*|\bimport\s*\(?\s*)(["'])([.#][^"'\n]*)\.ts\2/g;

/**
 * Goes on as the same command in stripped code, made below `directory` when it is not there yet. Returns only when there is nothing to
 * do: this is such code already, or this system cannot replace a process. Throws when the code cannot be written.
 */
export function continueStripped(directory: string): void {
  if (import.meta.filename.endsWith(".js") || !process.execve || isRunning(directory)) return;
  const tree = strippedTree(path.resolve(directory));
  const command = [process.execPath, ...process.execArgv, path.join(tree, "src/cli/main.js")];
  process.chdir(CALLED_IN);
  process.execve(process.execPath, [...command, ...process.argv.slice(2)], process.env);
}

/** The tree of stripped code for what the checkout holds now; those of other versions are removed. */
function strippedTree(directory: string): string {
  const trees = path.join(directory, TREES);
  const files = sources(path.join(ROOT, "src"));
  const tree = path.join(trees, stampOf(files));
  if (isWhole(tree)) return tree;
  fs.rmSync(trees, { recursive: true, force: true });
  // the roles' users read it, whatever the umask of whoever starts the server
  const umask = process.umask(0o022);
  try {
    const unfinished = `${tree}.unfinished`;
    writeTree(files, unfinished);
    fs.writeFileSync(path.join(unfinished, DIGEST), digestOf(unfinished));
    fs.renameSync(unfinished, tree);
  } finally {
    process.umask(umask);
  }
  return tree;
}

/** Nothing of it is synced, so a power cut may have left files of it empty: it counts only with the digest that it was given. */
function isWhole(tree: string): boolean {
  try {
    return fs.readFileSync(path.join(tree, DIGEST), "utf8") === digestOf(tree);
  } catch {
    return false;
  }
}

function digestOf(tree: string): string {
  const hash = createHash("sha256");
  const files = filesBelow(path.join(tree, "src"), /\.js$/).sort();
  for (const file of [path.join(tree, PACKAGE), ...files]) {
    const content = fs.readFileSync(file);
    hash.update(`${path.relative(tree, file)} ${content.length}\n`).update(content);
  }
  return hash.digest("hex");
}

function writeTree(files: readonly string[], into: string): void {
  for (const file of files) {
    const at = path.join(into, path.relative(ROOT, file));
    fs.mkdirSync(path.dirname(at), { recursive: true });
    fs.writeFileSync(at.replace(/\.ts$/, ".js"), strip(fs.readFileSync(file, "utf8")));
  }
  fs.copyFileSync(path.join(ROOT, PACKAGE), path.join(into, PACKAGE));
  // in a checkout the packages lie below us, installed as a package beside us
  const below = path.join(ROOT, "node_modules");
  fs.symlinkSync(fs.existsSync(below) ? below : path.dirname(ROOT), path.join(into, "node_modules"));
}

/** Lines and columns stay where they are, so that stack traces fit the source. */
function strip(source: string): string {
  return module.stripTypeScriptTypes(source).replace(SPECIFIER, "$1$2$3.js$2");
}

/** Every source file without the tests. */
const sources = (directory: string): readonly string[] => filesBelow(directory, /(?<!\.test)\.ts$/);

function filesBelow(directory: string, names: RegExp): string[] {
  return fs.readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const at = path.join(directory, entry.name);
    if (entry.isDirectory()) return filesBelow(at, names);
    return names.test(entry.name) ? [at] : [];
  });
}

/** Names this state of the files: another one after any change. */
function stampOf(files: readonly string[]): string {
  const hash = createHash("sha256").update(`${ROOT}\n${process.version}\n`);
  for (const file of files) {
    const { size, mtimeMs } = fs.statSync(file);
    hash.update(`${file} ${size} ${mtimeMs}\n`);
  }
  return hash.digest("hex").slice(0, 16);
}
