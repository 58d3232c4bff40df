// Certificates and secrets of the configuration: read and proved when a slice is cut, so that a role is only ever told ones that work.

import { createPrivateKey, X509Certificate } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { limits } from "#base/limits.ts";
import { codeOf, messageOf, Trouble } from "#base/problem.ts";
import { certificatesIn } from "#sys/tls.ts";
import { altNames } from "#wire/altnames.ts";
import type { Config } from "./schema.ts";
import type { CertificateSlice } from "./slice.ts";

interface Files {
  readonly certificate: string;
  readonly key: string;
}

/** What a certificate is called in messages, and its settings. */
interface Source {
  readonly place: string;
  /** In front of the names of its settings. */
  readonly prefix: string;
  readonly files: Files;
}

/** The certificate of [tls], which is shown when no name fits, then the others. Trouble with one sentence when one cannot be used. */
export function certificatesOf({ tls, certificate }: Config, directory: string): readonly CertificateSlice[] {
  const sources: readonly Source[] = [
    { place: "[tls]", prefix: "tls.", files: tls },
    ...certificate.map((files) => ({ place: "[[certificate]]", prefix: "certificate.", files })),
  ];
  const all = sources.map((source, at) => certificateOf(source, directory, at > 0));
  const bytes = all.reduce((sum, each) => sum + each.certificate.length + each.key.length, 0);
  const most = limits.tls.certificates;
  if (bytes <= most) return all;
  const why = `together they have ${bytes} bytes, and ${most} are the most; put several names into one`;
  throw new Trouble("load", `Cannot use so many certificates: ${why}`);
}

function certificateOf(
  { place, prefix, files }: Source,
  directory: string,
  named: boolean,
): CertificateSlice {
  const certificate = pem(directory, `${prefix}certificate`, files.certificate);
  const key = pem(directory, `${prefix}key`, files.key);
  const where = named ? `"${files.certificate}"` : "the certificate";
  const refuse = (why: string, cause?: unknown) =>
    new Trouble("load", `Cannot use ${where} in ${place}: ${why}`, cause);
  const read = () => {
    try {
      const x509 = new X509Certificate(certificate);
      return { fits: x509.checkPrivateKey(createPrivateKey(key)), names: namesOf(x509) };
    } catch (thrown) {
      throw refuse(messageOf(thrown), thrown);
    }
  };
  const { fits, names } = read();
  if (!fits) throw refuse(`the key "${files.key}" belongs to another certificate`);
  if (named && names.length === 0) throw refuse("it has no DNS names, so no client would ever be shown it");
  return { certificate, key, names };
}

function pem(directory: string, setting: string, file: string): string {
  try {
    return fs.readFileSync(path.resolve(directory, file), "utf8");
  } catch (thrown) {
    const why = codeOf(thrown) === "ENOENT" ? "there is no such file" : messageOf(thrown);
    throw new Trouble("load", `Cannot read ${setting} "${file}": ${why}`, thrown);
  }
}

/** The DNS names that a client may ask for, in lower case. */
const namesOf = ({ subjectAltName }: X509Certificate): readonly string[] =>
  altNames(subjectAltName, "DNS")
    .filter((name) => name.length <= 255)
    .map((name) => name.toLowerCase());

/** The PEM text of a file of authorities, "" for none. Trouble when it holds something else. */
export function authoritiesOf(setting: string, file: string, directory: string): string {
  if (file === "") return "";
  const text = pem(directory, setting, file);
  try {
    if (certificatesIn(text).length > 0) return text;
  } catch (thrown) {
    throw new Trouble("load", `Cannot use ${setting} "${file}": ${messageOf(thrown)}`, thrown);
  }
  throw new Trouble("load", `Cannot use ${setting} "${file}": it holds no certificate`);
}

/** The password in the first line of a file. Trouble, without a word of it, when there is none. */
export function passwordOf(file: string, directory: string): string {
  const [password = ""] = pem(directory, "route.password_file", file).split(/\r?\n/);
  if (password !== "" && password.length <= 1000 && !password.includes("\0")) return password;
  throw new Trouble("load", `Cannot use route.password_file "${file}": its first line is no password`);
}
