// The figures behind the sentence that stands for a chart where it cannot be seen.
import type { Series } from "../ipc/bindings";
import { lengthOf } from "./spans";

export type SeriesFigures = {
  checks: number;
  failed: number;
  /** Of the medians of the buckets, each with the weight of its checks. */
  medianUs: number | null;
  lowestUs: number | null;
  highestUs: number | null;
  outages: number;
  outageMs: number;
  unobservedMs: number;
};

export function figuresOf(series: Series): SeriesFigures {
  const window = { fromMs: series.fromMs, toMs: series.toMs };
  return {
    checks: sum(series.checks),
    failed: sum(series.failed),
    medianUs: weightedMedian(series.p50Us, series.checks),
    lowestUs: extreme(series.minUs, Math.min),
    highestUs: extreme(series.maxUs, Math.max),
    outages: series.outages.length,
    outageMs: lengthOf(series.outages, window),
    unobservedMs: lengthOf(series.gaps, window),
  };
}

const sum = (column: readonly number[]): number => column.reduce((total, value) => total + value, 0);

function extreme(column: readonly (number | null)[], pick: (a: number, b: number) => number): number | null {
  return column.reduce<number | null>((best, value) => (value === null ? best : best === null ? value : pick(best, value)), null);
}

/** Middle of the known values, each counted as often as its weight says. */
export function weightedMedian(values: readonly (number | null)[], weights: readonly number[]): number | null {
  const known = values.flatMap((value, at) => (value === null ? [] : [{ value, weight: Math.max(weights[at] ?? 0, 1) }]));
  known.sort((a, b) => a.value - b.value);
  const half = known.reduce((total, { weight }) => total + weight, 0) / 2;
  let passed = 0;
  for (const { value, weight } of known) {
    passed += weight;
    if (passed >= half) return value;
  }
  return null;
}
