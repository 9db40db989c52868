// Which lines of a long list are on the screen. Pure, so that it can be tested without one.

export type Line = { height: number };

export type RowWindow = {
  /** First line to draw, and the one after the last. */
  first: number;
  last: number;
  /** Where the first line stands, from the top of the list. */
  top: number;
  /** Height of the whole list. */
  total: number;
};

/** Tops of all lines; one entry more than lines, the last is the height of all. */
export function topsOf(heights: readonly number[]): Float64Array {
  const tops = new Float64Array(heights.length + 1);
  for (let index = 0; index < heights.length; index += 1) tops[index + 1] = (tops[index] ?? 0) + (heights[index] ?? 0);
  return tops;
}

/** The line that covers `y`: the last one whose top is not below it. */
export function lineAt(tops: Float64Array, y: number): number {
  let low = 0;
  let high = tops.length - 2;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((tops[middle] ?? 0) <= y) low = middle;
    else high = middle - 1;
  }
  return Math.max(0, low);
}

/** `scrollTop` is measured from the top of the list and may be negative: the list need not begin at the scroller's top. */
export function windowOf(tops: Float64Array, scrollTop: number, height: number, overscan: number): RowWindow {
  const count = tops.length - 1;
  const total = tops[count] ?? 0;
  if (count <= 0) return { first: 0, last: 0, top: 0, total: 0 };
  const first = Math.max(0, lineAt(tops, Math.max(0, scrollTop)) - overscan);
  const last = Math.min(count, lineAt(tops, Math.max(0, scrollTop + height)) + 1 + overscan);
  return { first, last, top: tops[first] ?? 0, total };
}

/** Where to scroll so that a line is in view below a sticky head; null where it is already. */
export function scrollTo(tops: Float64Array, index: number, scrollTop: number, height: number, head: number): number | null {
  const top = tops[index] ?? 0;
  const bottom = tops[index + 1] ?? top;
  if (top - head < scrollTop) return Math.max(0, top - head);
  if (bottom > scrollTop + height) return bottom - height;
  return null;
}
