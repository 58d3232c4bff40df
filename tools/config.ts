// Prints docs/config.md: every setting of kenro.toml, from src/config/schema.ts. Run: npm run docs.

import { formatValue } from "#config/document.ts";
import { type Section, sections } from "#config/schema.ts";

/** The page. */
export function configPage(): string {
  const parts = Object.entries(sections as Readonly<Record<string, Section>>).map(([name, section]) =>
    sectionOf(name, section),
  );
  return `${[
    "# kenro.toml",
    "",
    "<!-- generated from src/config/schema.ts by tools/config.ts: npm run docs -->",
    "",
    "The one configuration file, in the data directory, in [TOML](https://toml.io/). `kenro init` writes it with every setting and its",
    "meaning; a setting that is taken out has the default shown here. The file is checked as a whole, all problems are shown at once with",
    "their lines, and `kenro reload` (or SIGHUP) takes it over as a whole or not at all.",
    "",
    'Durations are numbers with a unit (`"500 ms"`, `"30s"`, `"5m"`, `"4h"`, `"7d"`, `"2w"`; a bare number is seconds), sizes likewise',
    '(`"64k"`, `"50M"`, `"1G"`, powers of 1024; a bare number is bytes). "Told to" names the roles that learn a setting; no other role does.',
    "",
    ...parts,
  ].join("\n")}`;
}

function sectionOf(name: string, { meaning, settings }: Section): string {
  const rows = Object.entries(settings).map(
    ([setting, row]) =>
      `| \`${setting}\` | ${row.standard === undefined ? "none: must be given" : `\`${formatValue(row.standard)}\``} | ${row.meaning} | ${row.seenBy.join(", ")} |`,
  );
  return [
    name === "" ? "## At the top of the file" : `## [${name}]`,
    "",
    ...(meaning === "" ? [] : [meaning, ""]),
    "| setting | default | meaning | told to |",
    "| --- | --- | --- | --- |",
    ...rows,
    "",
  ].join("\n");
}

if (import.meta.main) process.stdout.write(configPage());
