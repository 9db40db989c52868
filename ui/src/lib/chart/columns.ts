// Turns a series of buckets into the columns that are drawn: one point in the middle of each bucket, with null where the
// line must be cut.
import type { Series, Verdict } from "../ipc/bindings";

export type Columns = {
  x: number[];
  min: (number | null)[];
  p50: (number | null)[];
  p95: (number | null)[];
  max: (number | null)[];
  /** Which bucket of the series a point is; -1 for one that only cuts the line. */
  bucket: number[];
};

/**
 * A line is cut where nothing was observed or nothing answered. A bucket that is merely shorter than the time from one
 * check to the next holds no check either, but was observed: there the line goes on.
 */
export function columnsOf(series: Series, intervalMs: number): Columns {
  const columns: Columns = { x: [], min: [], p50: [], p95: [], max: [], bucket: [] };
  const farApart = Math.max(series.bucketMs * 1.5, intervalMs * 2.5);
  let last: number | null = null;
  series.startMs.forEach((start, at) => {
    const middle = middleOf(start, series.bucketMs, series);
    const median = series.p50Us[at] ?? null;
    if (median === null && isQuiet(series, at)) return;
    if (last !== null && middle - last > farApart) push(columns, (middle + last) / 2, series, -1);
    push(columns, middle, series, at);
    last = middle;
  });
  return columns;
}

/** Middle of the part of a bucket that lies in the window: the newest one has only begun. */
export function middleOf(startMs: number, bucketMs: number, window: { fromMs: number; toMs: number }): number {
  const [from, to] = [Math.max(startMs, window.fromMs), Math.min(startMs + bucketMs, window.toMs)];
  return from < to ? (from + to) / 2 : startMs + bucketMs / 2;
}

/** Observed, not down, and no check fell into it. */
function isQuiet(series: Series, at: number): boolean {
  const good = (series.up[at] ?? 0) + (series.degraded[at] ?? 0);
  return (series.checks[at] ?? 0) === 0 && good > 0 && (series.down[at] ?? 0) === 0;
}

function push(columns: Columns, x: number, series: Series, at: number): void {
  columns.x.push(x);
  columns.min.push(series.minUs[at] ?? null);
  columns.p50.push(series.p50Us[at] ?? null);
  columns.p95.push(series.p95Us[at] ?? null);
  columns.max.push(series.maxUs[at] ?? null);
  columns.bucket.push(at);
}

/** One check as the board told it, newer than the series. */
export type Tail = { timeMs: number; durationUs: number | null; verdict: Verdict };

/** The series with a newer check at its end, until history itself has it. */
export function withTail(series: Series, tail: Tail): Series {
  const lastStart = series.startMs.at(-1);
  if (lastStart === undefined || tail.verdict === "inconclusive" || tail.timeMs < lastStart) return series;
  const answered = tail.verdict !== "down" ? tail.durationUs : null;
  return tail.timeMs < lastStart + series.bucketMs ? inLastBucket(series, tail, answered) : inNewBucket(series, tail, answered);
}

function inLastBucket(series: Series, tail: Tail, answered: number | null): Series {
  const at = series.startMs.length - 1;
  const known = (column: (number | null)[], pick: (a: number, b: number) => number): (number | null)[] => {
    const old = column[at] ?? null;
    if (answered === null) return column;
    return column.with(at, old === null ? answered : pick(old, answered));
  };
  return {
    ...series,
    toMs: Math.max(series.toMs, tail.timeMs),
    checks: series.checks.with(at, (series.checks[at] ?? 0) + 1),
    failed: series.failed.with(at, (series.failed[at] ?? 0) + (tail.verdict === "down" ? 1 : 0)),
    minUs: known(series.minUs, Math.min),
    maxUs: known(series.maxUs, Math.max),
    // Quantiles of the bucket cannot be told from one more value: they stay, unless there was none.
    p50Us: known(series.p50Us, (old) => old),
    p95Us: known(series.p95Us, (old) => old),
  };
}

function inNewBucket(series: Series, tail: Tail, answered: number | null): Series {
  const steps = Math.floor((tail.timeMs - (series.startMs.at(-1) ?? 0)) / series.bucketMs);
  const start = (series.startMs.at(-1) ?? 0) + steps * series.bucketMs;
  const share = (verdict: Verdict): number => (tail.verdict === verdict ? 1 : 0);
  return {
    ...series,
    toMs: Math.max(series.toMs, tail.timeMs),
    startMs: [...series.startMs, start],
    checks: [...series.checks, 1],
    failed: [...series.failed, share("down")],
    minUs: [...series.minUs, answered],
    p50Us: [...series.p50Us, answered],
    p95Us: [...series.p95Us, answered],
    maxUs: [...series.maxUs, answered],
    up: [...series.up, share("up")],
    degraded: [...series.degraded, share("degraded")],
    down: [...series.down, share("down")],
  };
}
