// hello-address: a HELO that is an address must be the client's (antibadmail: "almost all of them are spam").

import { sameAddress } from "../facts.ts";
import { accept, reject, rule, score } from "../verdict.ts";

export const helloAddress = rule({
  id: "hello-address",
  stage: "hello",
  meaning: "HELO is an IP address that is not the client's, or one without brackets (RFC 5321 §4.1.3).",
  mode: "enforce",
  spares: "reliable",
  judge: ({ client, hello }) => {
    const { literal, name, form } = hello;
    if (literal === undefined) {
      // digits and dots that are no address: nobody's name
      if (!/^\[?[\d.]+\]?$/.test(name)) return accept();
      return reject(`Your server calls itself "${name}", which is no address; give it its name`, name);
    }
    if (!sameAddress(literal, client.address)) {
      const text = `Your server calls itself ${name}, but it is ${client.address}; give it its name`;
      return reject(text, `${name} is not ${client.address}`);
    }
    return form === "bareLiteral" ? score(4, "an address without brackets") : score(1, "an address literal");
  },
});
