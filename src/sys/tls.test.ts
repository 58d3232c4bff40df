import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import test, { type TestContext } from "node:test";
import tls from "node:tls";
import { systemClock } from "#base/clock.ts";
import { Trouble } from "#base/problem.ts";
import { FakeClock } from "#test/support/clock.ts";
import { testCertificate } from "#test/support/listeners.ts";
import { serveLoopback } from "#test/support/loopback.ts";
import { selfSigned } from "#wire/x509.ts";
import type { Conn, TlsInfo } from "./conn.ts";
import { type Certificate, ServerTls } from "./tls.ts";

const keys = path.resolve(import.meta.dirname, "../../test/fixtures/keys");
const key = (name: string): string => readFileSync(path.join(keys, name), "utf8");

const made = (...names: string[]): Certificate => ({
  ...selfSigned({ names, addresses: [], from: 0, until: 4_000_000_000_000 }),
  names: names.map((name) => name.toLowerCase()),
});

interface Served {
  readonly port: number;
  readonly infos: (TlsInfo | undefined)[];
  readonly troubles: string[];
}

/** Speaks TLS and says hello; what is heard is sent back. */
async function serve(context: TestContext, server: ServerTls, clock = systemClock): Promise<Served> {
  const infos: (TlsInfo | undefined)[] = [];
  const troubles: string[] = [];
  const loopback = await serveLoopback(clock, async (conn: Conn) => {
    try {
      await conn.secure(server);
      infos.push(conn.tls);
      await conn.write("hello\r\n");
      for (let chunk = await conn.read(60_000); chunk; chunk = await conn.read(60_000))
        await conn.write(chunk);
    } catch (thrown) {
      assert.ok(thrown instanceof Trouble);
      troubles.push(thrown.message);
    }
  });
  context.after(() => loopback.stop());
  return { port: loopback.port, infos, troubles };
}

/** A client that has heard hello; rejects when TLS fails. */
function connect(port: number, options: tls.ConnectionOptions = {}): Promise<tls.TLSSocket> {
  const socket = tls.connect({ port, host: "127.0.0.1", rejectUnauthorized: false, ...options });
  return new Promise((resolve, reject) => {
    socket.once("data", () => resolve(socket)).once("error", reject);
  });
}

test("the certificate is the one for the name that the client asks for", async (context) => {
  const [one, two, three] = [made("a.test"), made("b.test", "*.C.test"), made("b.test")];
  const { port, infos } = await serve(context, new ServerTls([one, two, three]));
  for (const [servername, wanted] of [
    [undefined, one],
    ["a.test", one],
    ["B.test", two],
    ["x.c.test", two],
    ["x.y.c.test", one],
    ["c.test", one],
    ["unknown.test", one],
  ] as const) {
    const client = await connect(port, servername === undefined ? {} : { servername });
    const shown = client.getPeerX509Certificate();
    assert.equal(
      shown?.fingerprint256,
      new X509Certificate(wanted.certificate).fingerprint256,
      String(servername),
    );
    client.destroy();
  }
  assert.deepEqual(infos.map((info) => info?.servername).slice(0, 3), [undefined, "a.test", "B.test"]);
});

test("TLS 1.2 and 1.3 are spoken, older versions are not", async (context) => {
  const { port, infos, troubles } = await serve(context, new ServerTls([testCertificate]));
  for (const version of ["TLSv1.2", "TLSv1.3"] as const)
    (await connect(port, { minVersion: version, maxVersion: version })).destroy();
  assert.deepEqual(
    infos.map((info) => info?.version),
    ["TLSv1.2", "TLSv1.3"],
  );
  // what OpenSSL still calls 1.1 it speaks at level 0 only
  const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "ALL:@SECLEVEL=0" } as const;
  await assert.rejects(connect(port, old), /alert|version/i);
  assert.equal(troubles.length, 1);
});

test("a client that asks for another handshake in TLS 1.2 gets none", async (context) => {
  const { port } = await serve(context, new ServerTls([testCertificate]));
  const client = await connect(port, { maxVersion: "TLSv1.2" });
  const error = await new Promise<Error | null>((resolve) => {
    client.on("error", resolve);
    client.renegotiate({}, resolve);
  });
  assert.match(error?.message ?? "it was made", /no.renegotiation/i);
});

test("no session is ever resumed, and TLS 1.2 gives no ticket", async (context) => {
  const { port } = await serve(context, new ServerTls([testCertificate]));
  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    const client = tls.connect({ port, host: "127.0.0.1", rejectUnauthorized: false, maxVersion: version });
    let session: Buffer | undefined;
    client.on("session", (given: Buffer) => (session = given));
    await new Promise((resolve) => client.once("data", resolve));
    client.write("x");
    await new Promise((resolve) => client.once("data", resolve));
    // OpenSSL gives two in 1.3 and Node cannot forbid it; they name sessions that nobody keeps
    if (version === "TLSv1.2") assert.equal(client.getTLSTicket(), undefined);
    else assert.ok(session, "the client had nothing to resume");
    client.destroy();
    const again = await connect(port, { maxVersion: version, ...(session ? { session } : {}) });
    assert.equal(again.isSessionReused(), false, version);
    again.destroy();
  }
});

test("a client certificate gives its addresses when an authority of ours signed it for clients and it is in time", async (context) => {
  const { port, infos } = await serve(context, new ServerTls([testCertificate], key("client-ca.crt")));
  for (const [name, wanted] of [
    ["client", ["ann@example.test", "ann@other.test"]],
    ["client-plain", ["ann@example.test"]],
    ["client-expired", []],
    ["client-server", []],
    ["client-stranger", []],
    ["", []],
  ] as const) {
    const own = name === "" ? {} : { cert: key(`${name}.crt`), key: key("client.key") };
    (await connect(port, own)).destroy();
    assert.deepEqual(infos.at(-1)?.emails, wanted, name);
  }
});

test("without authorities no certificate is asked for", async (context) => {
  const { port, infos } = await serve(context, new ServerTls([testCertificate]));
  (await connect(port, { cert: key("client.crt"), key: key("client.key") })).destroy();
  assert.deepEqual(infos[0]?.emails, []);
});

test("a handshake that does not end is ended, as are those that are no handshake", async (context) => {
  const clock = new FakeClock();
  const { port, troubles } = await serve(context, new ServerTls([testCertificate]), clock);
  const raw = (bytes: string) => {
    const socket = net.connect(port, "127.0.0.1", () => socket.write(Buffer.from(bytes, "latin1")));
    socket.on("error", () => {
      // a reset is an end too
    });
    socket.resume();
    return new Promise<void>((resolve) => socket.once("close", () => resolve()));
  };
  await raw("EHLO me\r\n");
  assert.match(troubles[0] ?? "", /^Cannot start TLS: /);
  for (const half of ["", "\x16", "\x16\x03\x01\x02\x00\x01"]) {
    const closed = raw(half);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await clock.advance(31_000);
    await closed;
  }
  assert.equal(troubles.length, 4);
  assert.match(troubles[3] ?? "", /no answer within 30000 ms/);
});

test("ServerTls says at once that a certificate cannot be used", () => {
  assert.throws(() => new ServerTls([{ certificate: "none", key: "none", names: [] }]));
  assert.throws(() => new ServerTls([]));
  assert.throws(
    () => new ServerTls([testCertificate], "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----"),
  );
});
