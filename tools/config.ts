// Prints docs/config.md: every setting of kenro.toml, from src/config/schema.ts. Run: npm run docs.

import { type Block, blocks } from "#config/blocks.ts";
import { formatValue } from "#config/document.ts";
import { type Section, sections } from "#config/schema.ts";
import type { BlockSetting } from "#config/values.ts";

/** The page. */
export function configPage(): string {
  const parts = Object.entries(sections as Readonly<Record<string, Section>>).map(([name, section]) =>
    pageOf(name === "" ? "At the top of the file" : `[${name}]`, section),
  );
  const more = Object.entries(blocks as Readonly<Record<string, Block>>).map(([name, block]) =>
    pageOf(`[[${name}]]`, block),
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
    ...more,
  ].join("\n")}`;
}

function pageOf(title: string, { meaning, settings }: Section | Block): string {
  const rows = Object.entries(settings).map(
    ([setting, row]) => `| \`${setting}\` | ${standardOf(row)} | ${row.meaning} | ${row.seenBy.join(", ")} |`,
  );
  return [
    `## ${title}`,
    "",
    ...(meaning === "" ? [] : [meaning, ""]),
    "| setting | default | meaning | told to |",
    "| --- | --- | --- | --- |",
    ...rows,
    "",
  ].join("\n");
}

const standardOf = ({ standard, otherwise }: BlockSetting): string =>
  otherwise ?? (standard === undefined ? "none: must be given" : `\`${formatValue(standard)}\``);

if (import.meta.main) process.stdout.write(configPage());
