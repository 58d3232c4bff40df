// Feeds that come by https, by git over https and by git over ssh: whom nobody vouches for is not believed.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import https from "node:https";
import type { AddressInfo } from "node:net";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { gzipSync } from "node:zlib";
import { tarOf } from "#test/support/tar.ts";
import { addFiles, temporaryDirectory } from "#test/support/temporary.ts";
import { need } from "../support/tools.ts";

const executable = path.resolve(import.meta.dirname, "../../bin/kenro");

interface Ran {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

interface Site {
  readonly root: string;
  readonly key: Buffer;
  readonly cert: Buffer;
  /** Runs the command line while this process serves what it fetches. `trusting`: it knows the server's certificate. */
  run(words: readonly string[], trusting?: boolean): Promise<Ran>;
  active(name: string): readonly string[];
}

/** A data directory, and a certificate for 127.0.0.1 of somebody whom the machine does not know. */
function site(context: TestContext, environment: Readonly<Record<string, string>> = {}): Site {
  const root = temporaryDirectory(context);
  const [key, cert, data] = ["key.pem", "cert.pem", "data"].map((name) => path.join(root, name)) as [
    string,
    string,
    string,
  ];
  const subject = ["-subj", "/CN=feeds", "-addext", "subjectAltName=IP:127.0.0.1"];
  const made = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  execFileSync("openssl", ["req", ...made, ...subject, "-keyout", key, "-out", cert], { stdio: "ignore" });
  const run = (words: readonly string[], trusting = false): Promise<Ran> => {
    const trust = trusting ? { NODE_EXTRA_CA_CERTS: cert, GIT_SSL_CAINFO: cert } : {};
    const env = { ...process.env, ...environment, ...trust };
    const child = spawn(executable, [...words, "--dir", data], { cwd: root, env });
    let [out, err] = ["", ""];
    child.stdout.on("data", (chunk) => (out += String(chunk)));
    child.stderr.on("data", (chunk) => (err += String(chunk)));
    return new Promise((resolve) => child.on("close", (status) => resolve({ status, out, err })));
  };
  execFileSync(executable, [
    "init",
    ...["--hostname", "mail.a.test", "--domain", "a.test", "--port-base", "33000", "--yes", "--dir", data],
  ]);
  const active = (name: string) =>
    fs.readdirSync(path.join(data, "rules/feeds", name, "badmailfromdir")).sort();
  return { root, key: fs.readFileSync(key), cert: fs.readFileSync(cert), run, active };
}

async function serve(
  context: TestContext,
  { key, cert }: Site,
  answer: Parameters<typeof https.createServer>[1],
): Promise<string> {
  const server = https.createServer({ key, cert }, answer);
  server.on("tlsClientError", () => {
    // who does not believe the certificate hangs up
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A repository with one entry, as somebody would publish it; its directory. */
function repository(root: string): string {
  const at = path.join(root, "published/feed.git");
  const work = path.join(root, "work");
  addFiles(path.join(work, "badmailfromdir"), "@git.test");
  const git = (...words: readonly string[]) => {
    const set = ["-c", "user.name=x", "-c", "user.email=x@a.test", "-c", "init.defaultBranch=main"];
    execFileSync("git", [...set, ...words], { cwd: work, stdio: "ignore" });
  };
  git("init");
  git("add", ".");
  git("commit", "-m", "first");
  git("clone", "--bare", work, at);
  return at;
}

test("a feed by https: the certificate must be one that is believed, and nothing leads back to http:", async (context) => {
  if (!need(context, "openssl")) return;
  const place = site(context);
  const archive = gzipSync(tarOf({ path: "badmailfromdir/@web.test" }));
  const url = await serve(context, place, (request, response) => {
    if (request.url === "/feed.tar.gz") response.end(archive);
    else if (request.url === "/down") response.writeHead(302, { location: "http://127.0.0.1:1/" }).end();
    else if (request.url === "/round") response.writeHead(302, { location: "/round" }).end();
    else response.writeHead(404).end();
  });
  const stranger = await place.run(["spamdb", "add", "web", `${url}/feed.tar.gz`]);
  assert.notEqual(stranger.status, 0);
  assert.match(stranger.err, /Cannot fetch .*certificate/i);
  const added = await place.run(["spamdb", "add", "web", `${url}/feed.tar.gz`], true);
  assert.equal(added.status, 0, added.err);
  assert.deepEqual(place.active("web"), ["@web.test"]);
  // what counted goes on counting when its server is not what it was
  const update = await place.run(["spamdb", "update", "web"]);
  assert.match(update.err, /web: not used.*certificate/is);
  assert.deepEqual(place.active("web"), ["@web.test"]);
  for (const [name, wanted] of [
    ["down", /it leads to http:/],
    ["round", /too many other places/],
    ["away", /the server says 404/],
  ] as const)
    assert.match((await place.run(["spamdb", "add", name, `${url}/${name}`], true)).err, wanted);
});

test("a feed by git over https", async (context) => {
  if (!need(context, "openssl", "git")) return;
  const place = site(context);
  repository(place.root);
  const url = await serve(context, place, (request, response) => {
    const { pathname, search } = new URL(request.url ?? "/", "https://x");
    // RFC 3875, as git's own server for HTTP wants it
    const env = {
      PATH: process.env["PATH"],
      GIT_PROJECT_ROOT: path.join(place.root, "published"),
      GIT_HTTP_EXPORT_ALL: "1",
      GIT_CONFIG_COUNT: "1",
      GIT_CONFIG_KEY_0: "safe.directory",
      GIT_CONFIG_VALUE_0: "*",
      PATH_INFO: pathname,
      QUERY_STRING: search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers["content-type"] ?? "",
      HTTP_CONTENT_ENCODING: request.headers["content-encoding"] ?? "",
      GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
    };
    const backend = spawn("git", ["http-backend"], { env, stdio: ["pipe", "pipe", "ignore"] });
    request.pipe(backend.stdin);
    const parts: Buffer[] = [];
    backend.stdout.on("data", (chunk: Buffer) => parts.push(chunk));
    backend.on("close", () => {
      const bytes = Buffer.concat(parts);
      const end = bytes.indexOf("\r\n\r\n");
      const fields = bytes
        .toString("latin1", 0, end)
        .split("\r\n")
        .map((line) => line.split(": "));
      const status = fields.find(([name]) => name === "Status")?.[1] ?? "200";
      for (const [name = "", value = ""] of fields) if (name !== "Status") response.setHeader(name, value);
      response.writeHead(Number.parseInt(status, 10)).end(bytes.subarray(end + 4));
    });
  });
  const stranger = await place.run(["spamdb", "add", "git", `${url}/feed.git`]);
  assert.match(stranger.err, /Cannot run git.*certificate/is);
  const added = await place.run(["spamdb", "add", "git", `git+${url}/feed.git#main`], true);
  assert.equal(added.status, 0, added.err);
  assert.deepEqual(place.active("git"), ["@git.test"]);
  const missing = await place.run(["spamdb", "add", "no", `git+${url}/feed.git#nothing`], true);
  assert.match(missing.err, /Cannot run git/);
});

test("a feed by git over ssh, which asks nobody for a password", async (context) => {
  if (!need(context, "openssl", "git")) return;
  const tools = temporaryDirectory(context);
  // in place of ssh: what it would run over there runs here
  const script = `#!/bin/sh\nprintf '%s\\n' "$*" >> '${tools}/called'\nfor last; do :; done\nexec sh -c "$last"\n`;
  fs.writeFileSync(path.join(tools, "ssh"), script, { mode: 0o755 });
  const place = site(context, { PATH: `${tools}:${process.env["PATH"]}` });
  const at = repository(place.root);
  for (const [name, source] of [
    ["url", `ssh://keeper@lists.test${at}`],
    ["short", `keeper@lists.test:${at}`],
  ] as const) {
    const added = await place.run(["spamdb", "add", name, source]);
    assert.equal(added.status, 0, added.err);
    assert.deepEqual(place.active(name), ["@git.test"]);
  }
  const called = fs.readFileSync(path.join(tools, "called"), "utf8");
  assert.match(called, /-o BatchMode=yes .*keeper@lists\.test git-upload-pack/);
});
