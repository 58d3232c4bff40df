// spf: the sender's domain says who may send for it (RFC 7208).

import { accept, reject, rule, score } from "../verdict.ts";

export const spfRule = rule({
  id: "spf",
  stage: "sender",
  meaning:
    "The sender's domain says that this client may not send for it (SPF). Refused where nothing else speaks for the client; others may be forwarders.",
  mode: "enforce",
  spares: "reliable",
  judge: async ({ client, hello, sender }) => {
    const result = await sender.spf();
    switch (result.kind) {
      case "pass":
        return (await sender.authorised()) ? score(-1, result.evidence) : accept(result.evidence);
      case "softfail":
        return score(2, result.evidence);
      case "fail":
        break;
      default:
        return accept(result.kind);
    }
    const text = `${sender.domain === "" ? hello.name : sender.domain} does not send mail from ${client.address} (SPF)`;
    const refusal = reject(text, result.evidence, { enhanced: "5.7.23" });
    // a domain that sends no mail at all has no forwarders either
    if (result.never) return refusal;
    // forwarders and lists keep the sender and fail his SPF; they are servers with a name. DMARC has the last word on the message
    const dynamic = (await client.dynamic()) !== undefined;
    if ((await client.verifiedName()) !== undefined && !dynamic && (await hello.confirmed()))
      return score(3, `${result.evidence}; perhaps a forwarder`);
    return refusal;
  },
});
