// A map of text to text as rows that can be edited: while somebody types, keys may be empty or stand there twice.

export type MapRow = { id: number; key: string; value: string };

export function rowsOf(map: { [key: string]: string } | null): MapRow[] {
  return Object.entries(map ?? {}).map(([key, value], id) => ({ id, key, value }));
}

/** Rows without key and value say nothing; no row at all is a field that is not set. */
export function mapOf(rows: readonly MapRow[]): { [key: string]: string } | null {
  const said = rows.filter((row) => row.key.trim() !== "" || row.value !== "");
  if (said.length === 0) return null;
  return Object.fromEntries(said.map((row) => [row.key.trim(), row.value]));
}

export type MapFault = "no_key" | "twice";

/** What is wrong with a row, so that nothing gets lost on the way into a map. */
export function faultOf(rows: readonly MapRow[], row: MapRow): MapFault | null {
  const key = row.key.trim();
  if (key === "") return row.value === "" ? null : "no_key";
  return rows.some((other) => other.id !== row.id && other.key.trim() === key) ? "twice" : null;
}

export function freshId(rows: readonly MapRow[]): number {
  return rows.reduce((most, row) => Math.max(most, row.id + 1), 0);
}
