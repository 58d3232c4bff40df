// The figures of all rounds as a table: medians, and the ratio to the first peer round by round.

export interface Cell {
  readonly server: string;
  readonly connections: number;
  /** Messages a second. */
  readonly accepted: number;
  /** NaN when they did not all arrive. */
  readonly delivered: number;
  /** Milliseconds a message, until it is delivered. */
  readonly cpu: number;
  readonly cpuByName: ReadonlyMap<string, number>;
  /** Milliseconds from MAIL to 250. */
  readonly median: number;
  readonly p99: number;
  /** What everything but this measurement used of the processors meanwhile, from 0 to 1. */
  readonly noise: number;
}

export interface Shown {
  /** Undefined: both. */
  readonly mode: "accept" | "deliver" | undefined;
  /** A message; by server and connections. */
  readonly syncs: ReadonlyMap<string, number>;
  /** CPU of every process too. */
  readonly roles: boolean;
}

type Row = readonly string[];

export function format(cells: readonly Cell[], shown: Shown): string {
  // in the order of the first round
  const names = [...new Set(cells.map(({ server }) => server))];
  const counts = [...new Set(cells.map(({ connections }) => connections))];
  const peer = names.find((name) => name !== "kenro");
  const groups = counts.flatMap((connections) =>
    names.map((server) => cells.filter((cell) => cell.server === server && cell.connections === connections)),
  );
  const against = (connections: number) =>
    cells.filter((cell) => cell.server === peer && cell.connections === connections);
  const rows = groups.map((group) => rowOf(group, against(group[0]?.connections ?? 0), shown));
  const table = layOut([headOf(shown), ...rows]);
  if (!shown.roles) return table;
  return `${table}\n\nCPU ms a message by process\n\n${layOut(roleRows(groups))}`;
}

function headOf({ mode }: Shown): Row {
  return [
    "connections",
    "server",
    ...(mode === "deliver" ? [] : ["accepted/s", "ratio"]),
    ...(mode === "accept" ? [] : ["delivered/s", "ratio"]),
    "CPU ms/message",
    "syncs/message",
    "median ms",
    "p99 ms",
    "noise %",
  ];
}

function rowOf(group: readonly Cell[], peer: readonly Cell[], { mode, syncs }: Shown): Row {
  const { server = "", connections = 0 } = group[0] ?? {};
  const rate = (of: (cell: Cell) => number): Row => {
    const ratio = median(group.map((cell, round) => of(cell) / (peer[round] ? of(peer[round]) : Number.NaN)));
    return [number(median(group.map(of)), 0), server === peer[0]?.server ? "1" : number(ratio, 1)];
  };
  return [
    String(connections),
    server,
    ...(mode === "deliver" ? [] : rate((cell) => cell.accepted)),
    ...(mode === "accept" ? [] : rate((cell) => cell.delivered)),
    number(median(group.map((cell) => cell.cpu)), 2),
    number(syncs.get(`${server} ${connections}`) ?? Number.NaN, 2),
    number(median(group.map((cell) => cell.median)), 1),
    number(median(group.map((cell) => cell.p99)), 1),
    number(median(group.map((cell) => cell.noise * 100)), 0),
  ];
}

function roleRows(groups: readonly (readonly Cell[])[]): readonly Row[] {
  const rows: Row[] = [["connections", "server", "process", "CPU ms/message"]];
  for (const group of groups) {
    const { server = "", connections = 0, cpuByName } = group[0] ?? {};
    for (const name of cpuByName?.keys() ?? []) {
      const ms = median(group.map((cell) => cell.cpuByName.get(name) ?? 0));
      if (ms >= 0.005) rows.push([String(connections), server, name, number(ms, 2)]);
    }
  }
  return rows;
}

function median(values: readonly number[]): number {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  const middle = sorted.length / 2;
  if (sorted.length % 2 === 1) return sorted[Math.floor(middle)] ?? Number.NaN;
  return ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}

const number = (value: number, digits: number): string => (Number.isNaN(value) ? "–" : value.toFixed(digits));

/** A Markdown table that can be read as it is. */
function layOut(rows: readonly Row[]): string {
  const [head = []] = rows;
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: Row) =>
    `| ${row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join(" | ")} |`;
  const rule = `|${widths.map((width) => `${"-".repeat(width + 1)}:`).join("|")}|`;
  const [first = "", ...rest] = rows.map(line);
  return [first, rule, ...rest].join("\n");
}
