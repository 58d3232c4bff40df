// Prints docs/log.md: every event of the log, from src/log/events.ts. Run: npm run docs.

import { type Event, events } from "#log/events.ts";

/** The page. */
export function logPage(): string {
  const rows = Object.entries(events as Readonly<Record<string, Event>>).map(
    ([name, { level, meaning }]) => `| \`${name}\` | ${level} | ${meaning} |`,
  );
  return `${[
    "# The log",
    "",
    "<!-- generated from src/log/events.ts by tools/log.ts: npm run docs -->",
    "",
    "Every role reports to the logger, which writes `log/<role>/current` and closes it as `@<stamp>.s` when it has the size of `log.size`;",
    "`log.files` closed files are kept. `kenro log` shows all roles in one order and in local time; `kenro log --id ID` shows what belongs to",
    "one message or session.",
    "",
    "A line is a TAI64N stamp, the role, the event and its fields:",
    "",
    "```",
    '@400000006a64b5a01c9c3800 smtpd smtp_reject session=7f3a code=550 command=RCPT text="5.1.1 No such user here"',
    "```",
    "",
    "A value with other characters than letters, digits and `_.:@<>+/=[],;-` is quoted as in JSON. Names of events and fields are an",
    'interface: programs may rely on them. Events of the level debug are written only with `log.level = "debug"`.',
    "",
    "| event | level | meaning and fields |",
    "| --- | --- | --- |",
    ...rows,
    "",
  ].join("\n")}`;
}

if (import.meta.main) process.stdout.write(logPage());
