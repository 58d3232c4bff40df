// Whether a message asks for a notice of its delivery: the field Notice-Requested-Upon-Delivery-To (qreceipt(1)).

import { parseAddresses } from "#wire/message/address.ts";
import { firstValue, headerEnd, parseFields } from "#wire/message/header.ts";
import { toWire } from "#wire/message/unix.ts";

const FIELD = "notice-requested-upon-delivery-to";

/** Undefined: nobody asks for `target`. */
export function noticeWanted(
  message: Buffer,
  target: string,
): { readonly messageId: string | undefined } | undefined {
  const wire = toWire(message);
  const fields = parseFields(wire.subarray(0, headerEnd(wire)));
  const asked = fields
    .filter(({ name }) => name.toLowerCase() === FIELD)
    .flatMap(({ value }) => parseAddresses(value))
    .some((address) => `${address.mailbox}@${address.host}` === target);
  if (!asked) return undefined;
  const id = firstValue(fields, "message-id");
  return { messageId: id === undefined ? undefined : `Message-ID: ${id.trim()}` };
}
