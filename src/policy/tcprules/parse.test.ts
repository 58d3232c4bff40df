import assert from "node:assert/strict";
import test from "node:test";
import { ipv6Key, whyUseless } from "./address.ts";
import { parseLine, ruleData } from "./parse.ts";

/** "1.2.3.4 1.2.3.5 = D|+A=x|" for a rule, else the kind. */
function read(line: string): string {
  const parsed = parseLine(line);
  if (parsed.kind !== "rule") return parsed.kind;
  return `${parsed.rule.keys.join(" ")} = ${ruleData(parsed.rule).replaceAll("\0", "|")}`;
}

test("a line is read as tcprules reads it", () => {
  for (const [line, expected] of [
    ["", "nothing"],
    [" \t ", "nothing"],
    ["#1:deny", "nothing"],
    [" #1:deny", " #1 = D|"],
    ["1.2.3.4", "ignored"],
    ["\r", "ignored"],
    [":allow", " = "],
    [":deny", " = D|"],
    ["1.2.3.4:deny \t", "1.2.3.4 = D|"],
    ["=:allow", "= = "],
    ["=.example.com:deny", "=.example.com = D|"],
    ["joe@1.2.3.4:allow", "joe@1.2.3.4 = "],
    ["joe@=a.example:allow", "joe@=a.example = "],
    ['1:allow,A="x",B=/y"/,C=  ', "unreadable"],
    ['1:allow,A="x",B=/y"/', '1 = +A=x|+B=y"|'],
    ["1:allow,A=xvaluex", "1 = +A=value|"],
    ['1:deny,BADHOST=""', "1 = D|+BADHOST=|"],
    ['1:allow,A,B="x"', "1 = +A,B=x|"],
    ['1:allow,="x"', "1 = +=x|"],
    ["1:allow,A==x=", "1 = +A=x|"],
    ["fe80:deny", "fe80 = D|"],
    ["1:allowed", "unreadable"],
    ["1:Allow", "unreadable"],
    ["1: allow", "unreadable"],
    ["1:allow ,A=//", "unreadable"],
    ["1:allow,", "unreadable"],
    ["1:allow,A", "unreadable"],
    ["1:allow,A=", "unreadable"],
    ['1:allow,A="x', "unreadable"],
    ['1:allow,A="x"B', "unreadable"],
    ["1:allow\r", "unreadable"],
  ] as const)
    assert.equal(read(line), expected, JSON.stringify(line));
});

test("ranges stand for their numbers, capped at 255, none when they run backwards", () => {
  const upTo255 = Array.from({ length: 256 - 250 }, (_, n) => `1.${250 + n}.`).join(" ");
  for (const [line, expected] of [
    ["1.2.3.37-39:deny", "1.2.3.37 1.2.3.38 1.2.3.39 = D|"],
    ["10.2-3.:allow", "10.2. 10.3. = "],
    ["1.250-999.:allow", `${upTo255} = `],
    ["1.7-7.:allow", "1.7. = "],
    ["3-2:allow", " = "],
    ["300-400:allow", " = "],
    ["-1:allow", "0 1 = "],
    ["-:allow", "0 = "],
    ["08-09:allow", "8 9 = "],
    ["1-2.3-4:allow", "1.3-4 2.3-4 = "],
    ["1.18446744073709551617-2:allow", "1.1 1.2 = "],
    ["10.1-2.0.0/16:deny", "10.1.0.0/16 10.2.0.0/16 = D|"],
    ["joe@1.2.3.4-5:deny", "joe@1.2.3.4-5 = D|"],
    ["=a-b.example:deny", "=a-b.example = D|"],
    ["a-b:allow", "unreadable"],
    ["1-2-3:allow", "unreadable"],
    ["1-2x:allow", "unreadable"],
  ] as const)
    assert.equal(read(line), expected, line);
});

test("what tcprules refuses may be a rule for IPv6", () => {
  for (const [line, expected] of [
    ["::1:allow", "::1 = "],
    ["2001:DB8:0::1:deny", "2001:db8::1 = D|"],
    ["2001:db8::/32:deny", "2001:db8::/32 = D|"],
    ["2001:db8:0:0::/64:deny", "2001:db8::/64 = D|"],
    ["::/0:allow", "::/0 = "],
    ["2001:0DB8::deny", "2001:db8: = D|"],
    ["fe80::allow", "fe80: = "],
    ["1:2:3:4:5:6:7::allow", "1:2:3:4:5:6:7: = "],
    ["joe@::1:allow", "joe@::1 = "],
    ["Joe@x@2001:DB8::1:allow", "Joe@x@2001:db8::1 = "],
    [":::allow", ":: = "],
    ['::1:allow,A=":deny"', "::1 = +A=:deny|"],
    ["::deny", "unreadable"],
    ["[::1]:allow", "unreadable"],
    ["::1", "unreadable"],
    ["::1%eth0:allow", "unreadable"],
    ["2001:db8::1/32:allow", "unreadable"],
    ["2001:db8::/129:allow", "unreadable"],
    ["2001:db8::/032:allow", "unreadable"],
    ["2001:db8::/:allow", "unreadable"],
    ["::ffff:1.2.3.4:allow", "unreadable"],
    ["::ffff:0:0/96:allow", "unreadable"],
    ["joe@2001:db8::/32:allow", "unreadable"],
    ["joe@2001:db8::allow", "unreadable"],
    ["::1-2:allow", "unreadable"],
    ["1:2:3:4:5:6:7:8::allow", "unreadable"],
    ['1.2.3.4:alow,A=":deny"', "unreadable"],
  ] as const)
    assert.equal(read(line), expected, line);
});

test("messages say what to write instead", () => {
  for (const [text, expected] of [
    ["::ffff:1.2.3.4", /"1\.2\.3\.4"/],
    ["2001:db8::1/32", /"2001:db8::\/32"/],
  ] as const) {
    const key = ipv6Key(text);
    assert.match(key.ok ? "" : key.error, expected);
  }
});

test("whyUseless() finds slips of the pen, and nothing else", () => {
  const good =
    "|=|=a|=a.example|=.example|=.a-b_c.example|1.2.3.4|1.2.3.|1.2.|1.|255.255.255.255|10.0.0.0/8|0.0.0.0/0|1.2.3.4/32|" +
    "joe@1.2.3.4|joe@=a.example|@1.2.3.4|a@b=c@1.2.3.4|::1|2001:db8::/32|joe@::1";
  for (const key of good.split("|")) assert.equal(whyUseless(key), undefined, key);
  for (const [key, expected] of [
    ["1.2.3", /"1\.2\.3\."/],
    ["10", /"10\."/],
    ["1.2.3.4.", /neither/],
    ["1.2.3.256", /neither/],
    ["01.2.3.4", /neither/],
    ["1..2", /neither/],
    [" 1.2.3.4", /space/],
    ["1.2.3.4\t", /control/],
    ["fe80", /neither/],
    ["2001:db8::", /"2001:db8::\/32"/],
    ["::", /"::\/0"/],
    ["10.1.2.3/8", /"10\.0\.0\.0\/8"/],
    ["10.0.0.0/33", /no network/],
    ["10.0.0.0/", /no network/],
    ["10/8", /no network/],
    ["10.0.0.0/08", /no network/],
    ["1.2.3.4-5@", /behind a user/],
    ["joe@1.2.3.", /behind a user/],
    ["joe@=", /behind a user/],
    ["joe@=.example", /behind a user/],
    ["joe@=A.example", /"=a\.example"/],
    ["joe@", /behind a user/],
    ["joe\0@1.2.3.4", /control/],
    ["a.example", /"=a\.example"/],
    [".example.com", /"=\.example\.com"/],
    ["=A.Example", /"=a\.example"/],
    ["=*.example", /"=\.example"/],
    ["=a.example.", /without a dot/],
    ["=.", /not a name/],
    ["=a..example", /not a name/],
    ["=a b", /not a name/],
    ["=\u00c3\u00a4.example", /not a name/],
    ["nonsense", /neither/],
  ] as const)
    assert.match(whyUseless(key) ?? "(none)", expected, key);
});
