// BODY, BODYSTRUCTURE and ENVELOPE as IMAP writes them (RFC 9051 §7.5.2).

import { formatNstring, formatString } from "#wire/imap/response.ts";
import { type HeaderAddress, parseAddresses } from "./address.ts";
import { type Field, firstValue, type Parameterized, parseParameterized } from "./header.ts";
import type { Part } from "./mime.ts";

/** ENVELOPE of a header's fields. */
export function formatEnvelope(fields: readonly Field[]): string {
  const text = (name: string) => formatNstring(firstValue(fields, name));
  const from = addressesOf(fields, "From");
  const sender = addressesOf(fields, "Sender");
  const replyTo = addressesOf(fields, "Reply-To");
  const lists = [
    from,
    // RFC 9051 §7.5.2: missing Sender and Reply-To are taken from From
    sender.length > 0 ? sender : from,
    replyTo.length > 0 ? replyTo : from,
    addressesOf(fields, "To"),
    addressesOf(fields, "Cc"),
    addressesOf(fields, "Bcc"),
  ].map(formatAddresses);
  return `(${[text("Date"), text("Subject"), ...lists, text("In-Reply-To"), text("Message-ID")].join(" ")})`;
}

function addressesOf(fields: readonly Field[], name: string): readonly HeaderAddress[] {
  const wanted = name.toLowerCase();
  return fields
    .filter((field) => field.name.toLowerCase() === wanted)
    .flatMap(({ value }) => parseAddresses(value));
}

function formatAddresses(addresses: readonly HeaderAddress[]): string {
  if (addresses.length === 0) return "NIL";
  const one = ({ name, mailbox, host }: HeaderAddress) =>
    `(${formatNstring(name)} NIL ${formatNstring(mailbox)} ${formatNstring(host)})`;
  return `(${addresses.map(one).join("")})`;
}

/** BODY (`extended` false) or BODYSTRUCTURE of a part. */
export function formatBodyStructure(part: Part, extended: boolean): string {
  const [type = "text", subtype = "plain"] = part.type.value.split("/");
  if (part.parts.length > 0) {
    const inner = part.parts.map((each) => formatBodyStructure(each, extended)).join("");
    const extension = extended ? ` ${formatParameters(part.type)} ${formatExtension(part.fields)}` : "";
    return `(${inner} ${formatString(subtype.toUpperCase())}${extension})`;
  }
  const size = part.end - part.bodyStart;
  const basic = [
    formatString(type.toUpperCase()),
    formatString(subtype.toUpperCase()),
    formatParameters(part.type),
    formatNstring(firstValue(part.fields, "Content-ID")),
    formatNstring(firstValue(part.fields, "Content-Description")),
    formatString((firstValue(part.fields, "Content-Transfer-Encoding") ?? "7bit").toUpperCase()),
    String(size),
  ];
  if (part.message) {
    basic.push(formatEnvelope(part.message.fields), formatBodyStructure(part.message, extended));
  }
  if (part.message || type === "text") basic.push(String(part.lines));
  if (extended)
    basic.push(formatNstring(firstValue(part.fields, "Content-MD5")), formatExtension(part.fields));
  return `(${basic.join(" ")})`;
}

function formatParameters({ parameters }: Parameterized): string {
  if (parameters.size === 0) return "NIL";
  const pairs = [...parameters].map(
    ([name, value]) => `${formatString(name.toUpperCase())} ${formatString(value)}`,
  );
  return `(${pairs.join(" ")})`;
}

/** Disposition, language and location. */
function formatExtension(fields: readonly Field[]): string {
  const disposition = firstValue(fields, "Content-Disposition");
  const parsed = disposition === undefined ? undefined : parseParameterized(disposition);
  const shown = parsed ? `(${formatString(parsed.value.toUpperCase())} ${formatParameters(parsed)})` : "NIL";
  const languages = (firstValue(fields, "Content-Language") ?? "").split(",").map((each) => each.trim());
  const language = languages[0] === "" ? "NIL" : `(${languages.map(formatString).join(" ")})`;
  return `${shown} ${language} ${formatNstring(firstValue(fields, "Content-Location"))}`;
}
