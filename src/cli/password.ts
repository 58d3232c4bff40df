// Where a new password comes from: standard input, a person at a terminal, or nobody, and then it is made up.

import { limits } from "#base/limits.ts";
import { makePassword } from "#store/accounts/credentials.ts";
import { Refusal } from "./exit.ts";

export interface NewPassword {
  readonly password: string;
  /** Nobody knows it yet: it has to be shown. */
  readonly made: boolean;
}

/** The password, or Refusal when what was given cannot be one. */
export async function newPassword(fromStdin: boolean): Promise<NewPassword> {
  if (fromStdin) return { password: checked(await firstLine()), made: false };
  if (!process.stdin.isTTY || !process.stderr.isTTY) return { password: makePassword(), made: true };
  const password = checked(await ask("New password: "));
  if ((await ask("The same again: ")) !== password)
    throw new Refusal("The two passwords differ; nothing was changed");
  return { password, made: false };
}

function checked(password: string): string {
  if (password === "") throw new Refusal("An empty password is none; nothing was changed");
  if (password.length > limits.login.passwordBytes)
    throw new Refusal(`A password has at most ${limits.login.passwordBytes} characters; nothing was changed`);
  // what clients cannot send: PLAIN ends fields with NUL (RFC 4616 §2), LOGIN and PASS end with the line
  if (/[\u0000-\u001f\u007f]/.test(password))
    throw new Refusal("A password has no control characters; nothing was changed");
  return password;
}

/** The first line of standard input, without its end. */
async function firstLine(): Promise<string> {
  let text = "";
  for await (const chunk of process.stdin.setEncoding("utf8")) {
    text += String(chunk);
    if (text.includes("\n") || text.length > limits.login.passwordBytes + 2) break;
  }
  return (text.split("\n")[0] ?? "").replace(/\r$/, "");
}

/** What a person types, not shown. */
async function ask(question: string): Promise<string> {
  const { stdin } = process;
  // the terminal stops showing before it is asked: nothing typed at once is seen
  stdin.setRawMode(true).setEncoding("utf8").resume();
  process.stderr.write(question);
  try {
    return await new Promise<string>((resolve, reject) => {
      let typed = "";
      const take = (text: string) => {
        for (const char of text) {
          const next = typing(typed, char);
          if (next.kind === "more") typed = next.typed;
          else {
            stdin.off("data", take);
            if (next.kind === "given") resolve(typed);
            else reject(new Refusal("Nothing was changed"));
            return;
          }
        }
      };
      stdin.on("data", take);
    });
  } finally {
    stdin.setRawMode(false).pause();
    process.stderr.write("\n");
  }
}

type Typing =
  | { readonly kind: "more"; readonly typed: string }
  | { readonly kind: "given" }
  | { readonly kind: "stopped" };

/** What one key does to what has been typed. */
function typing(typed: string, char: string): Typing {
  switch (char) {
    case "\r":
    case "\n":
      return { kind: "given" };
    case "\u0003":
    case "\u0004":
      return { kind: "stopped" };
    case "\b":
    case "\u007f":
      return { kind: "more", typed: [...typed].slice(0, -1).join("") };
    default:
      return { kind: "more", typed: typed + char };
  }
}
