// Parts of a check, stacked: each line on top of those before it.
import type { Parts } from "../ipc/bindings";

export type Line = Parts["lines"][number];

/**
 * For every bucket the top of each part. A part that did not happen (no TLS, no look-up) has no height; a bucket
 * without any part has no bar.
 */
export function stacked(lines: readonly Line[]): (number | null)[][] {
  const length = lines[0]?.values.length ?? 0;
  const tops: (number | null)[][] = lines.map(() => []);
  for (let at = 0; at < length; at += 1) {
    const empty = lines.every((line) => (line.values[at] ?? null) === null);
    let sum = 0;
    lines.forEach((line, nth) => {
      sum += line.values[at] ?? 0;
      tops[nth]?.push(empty ? null : sum);
    });
  }
  return tops;
}

/** Mean of the known values; null where there is none. */
export function meanOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
}
