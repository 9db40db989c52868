// From all monitors to the lines of the table: filtered, sorted, grouped. Pure.
import type { BoardRow, State } from "../../lib/ipc/bindings";

export type SortKey = "state" | "name" | "answer" | "kind";

export type Filter = {
  text: string;
  states: ReadonlySet<State>;
  kind: string | null;
  group: string | null;
  /** `key=value`. */
  label: string | null;
};

export const NO_FILTER: Filter = { text: "", states: new Set(), kind: null, group: null, label: null };

/** Worst first: the order of states wherever they are listed. */
export const STATES: readonly State[] = ["down", "degraded", "pending", "unobserved", "maintenance", "paused", "up"];

const RANK: { [state in State]: number } = {
  down: 0, degraded: 1, pending: 2, unobserved: 2, maintenance: 2, paused: 2, up: 2,
};

export type GroupLine = { type: "group"; name: string; rows: readonly BoardRow[]; collapsed: boolean };
export type MonitorLine = { type: "monitor"; row: BoardRow };
export type TableLine = GroupLine | MonitorLine;

export function isFiltering(filter: Filter): boolean {
  return filter.text.trim() !== "" || filter.states.size > 0 || filter.kind !== null || filter.group !== null || filter.label !== null;
}

function folded(text: string): string {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLocaleLowerCase();
}

/** What can be found of a row; a row object never changes, so it is folded once. */
const hays = new WeakMap<BoardRow, string>();

function hayOf(row: BoardRow): string {
  let hay = hays.get(row);
  if (hay === undefined) {
    const labels = Object.entries(row.labels).map(([key, value]) => `${key}=${value}`);
    hay = folded([row.name, row.target, row.group, row.kind, ...labels].join("\n"));
    hays.set(row, hay);
  }
  return hay;
}

/** Every word must be found in name, target, group, kind or a label. */
function textTest(text: string): (row: BoardRow) => boolean {
  const words = folded(text).split(/\s+/).filter(Boolean);
  if (words.length === 0) return () => true;
  return (row) => words.every((word) => hayOf(row).includes(word));
}

export function filtered(rows: readonly BoardRow[], filter: Filter): BoardRow[] {
  const hasText = textTest(filter.text);
  const [key = "", value = ""] = filter.label?.split(/=(.*)/s) ?? [];
  return rows.filter(
    (row) =>
      (filter.states.size === 0 || filter.states.has(row.state)) &&
      (filter.kind === null || row.kind === filter.kind) &&
      (filter.group === null || row.group === filter.group) &&
      (filter.label === null || row.labels[key] === value) &&
      hasText(row),
  );
}

/** How many there are of each state, were no state chosen. */
export function countStates(rows: readonly BoardRow[], filter: Filter): { [state in State]: number } {
  const counts: { [state in State]: number } = { up: 0, degraded: 0, down: 0, pending: 0, paused: 0, maintenance: 0, unobserved: 0 };
  for (const row of filtered(rows, { ...filter, states: new Set() })) counts[row.state] += 1;
  return counts;
}

function comparer(sort: SortKey, collator: Intl.Collator): (a: BoardRow, b: BoardRow) => number {
  const byName = (a: BoardRow, b: BoardRow) => collator.compare(a.name, b.name);
  switch (sort) {
    case "state":
      // Rows of the same rank keep the order of the file.
      return (a, b) => RANK[a.state] - RANK[b.state];
    case "name":
      return byName;
    case "answer":
      return (a, b) => (b.durationUs ?? -1) - (a.durationUs ?? -1) || byName(a, b);
    case "kind":
      return (a, b) => collator.compare(a.kind, b.kind) || byName(a, b);
  }
}

/** A row object that stays keeps its line: what is drawn of it is not drawn anew. */
const monitorLines = new WeakMap<BoardRow, MonitorLine>();

function lineOf(row: BoardRow): MonitorLine {
  let line = monitorLines.get(row);
  if (!line) {
    line = { type: "monitor", row };
    monitorLines.set(row, line);
  }
  return line;
}

/** Making one takes longer than sorting by it. */
const byNumber = new Intl.Collator(undefined, { numeric: true });

export function linesOf(
  rows: readonly BoardRow[],
  sort: SortKey,
  collapsed: ReadonlySet<string>,
  collator: Intl.Collator = byNumber,
): TableLine[] {
  const groups = new Map<string, BoardRow[]>();
  for (const row of rows) {
    const group = groups.get(row.group);
    if (group) group.push(row);
    else groups.set(row.group, [row]);
  }
  const compare = comparer(sort, collator);
  const sorted = [...groups].map(([name, members]) => ({ name, members: members.sort(compare) }));
  if (sort === "state") {
    const worst = (members: readonly BoardRow[]) => (members[0] ? RANK[members[0].state] : RANK.up);
    sorted.sort((a, b) => worst(a.members) - worst(b.members));
  } else if (sort === "name") {
    sorted.sort((a, b) => collator.compare(a.name, b.name));
  }
  return sorted.flatMap(({ name, members }): TableLine[] => {
    const shut = collapsed.has(name);
    const head: GroupLine = { type: "group", name, rows: members, collapsed: shut };
    return shut ? [head] : [head, ...members.map(lineOf)];
  });
}

/** Kinds, groups and labels that occur, for the menus of filters. */
export function facetsOf(rows: readonly BoardRow[]): { kinds: string[]; groups: string[]; labels: string[] } {
  const kinds = new Set<string>();
  const groups = new Set<string>();
  const labels = new Set<string>();
  for (const row of rows) {
    kinds.add(row.kind);
    groups.add(row.group);
    for (const [key, value] of Object.entries(row.labels)) labels.add(`${key}=${value}`);
  }
  return { kinds: [...kinds].sort(), groups: [...groups], labels: [...labels].sort().slice(0, 50) };
}
