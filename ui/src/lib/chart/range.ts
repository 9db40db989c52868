// Which span of time a chart shows: a range that follows the clock, or a stretch that somebody zoomed into.

export const RANGES = ["1h", "24h", "7d", "30d", "1y"] as const;
export type Range = (typeof RANGES)[number];

const HOUR = 3_600_000;
const LENGTH: Record<Range, number> = {
  "1h": HOUR, "24h": 24 * HOUR, "7d": 7 * 24 * HOUR, "30d": 30 * 24 * HOUR, "1y": 365 * 24 * HOUR,
};

/** Nothing finer than this can be told apart. */
export const SHORTEST_MS = 60_000;
/** How far back panning goes. */
const FURTHEST_MS = 5 * LENGTH["1y"];

export type View = { range: Range; zoom: { fromMs: number; toMs: number } | null };

export const lengthOfRange = (range: Range): number => LENGTH[range];

/** Whether the view ends at now and moves with it. */
export const follows = (view: View): boolean => view.zoom === null;

export function windowOf(view: View, nowMs: number): { fromMs: number; toMs: number } {
  return view.zoom ?? { fromMs: nowMs - LENGTH[view.range], toMs: nowMs };
}

/** Shows exactly this stretch, no shorter than can be told apart and not beyond now. */
export function zoomTo(view: View, fromMs: number, toMs: number, nowMs: number): View {
  const [low, high] = fromMs < toMs ? [fromMs, toMs] : [toMs, fromMs];
  const length = Math.max(high - low, SHORTEST_MS);
  const middle = (low + high) / 2;
  const to = Math.min(middle + length / 2, nowMs);
  return { range: view.range, zoom: { fromMs: to - length, toMs: to } };
}

/** Zooms around an instant; a factor above 1 shows more. Showing all of the range is following it again. */
export function zoomBy(view: View, factor: number, aroundMs: number, nowMs: number): View {
  const { fromMs, toMs } = windowOf(view, nowMs);
  const length = (toMs - fromMs) * factor;
  if (length >= LENGTH[view.range]) return zoomOut(view);
  const share = Math.min(Math.max((aroundMs - fromMs) / (toMs - fromMs), 0), 1);
  return zoomTo(view, aroundMs - share * length, aroundMs + (1 - share) * length, nowMs);
}

export const zoomOut = (view: View): View => ({ range: view.range, zoom: null });

/** Moves by a length of time, backwards when it is negative; stops at now. */
export function pan(view: View, byMs: number, nowMs: number): View {
  const { fromMs, toMs } = windowOf(view, nowMs);
  const length = toMs - fromMs;
  const to = Math.min(Math.max(toMs + byMs, nowMs - FURTHEST_MS), nowMs);
  if (to === nowMs && length >= LENGTH[view.range]) return zoomOut(view);
  return { range: view.range, zoom: { fromMs: to - length, toMs: to } };
}

/** One bucket for about two pixels: finer cannot be seen, coarser looks blocky. Enough that a year has one for each day. */
export const bucketsFor = (widthPx: number): number => Math.round(Math.min(Math.max(widthPx / 1.8, 366), 600));
