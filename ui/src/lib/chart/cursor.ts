// Moves the cursor of a chart by keyboard.

/** Which point a key leads to; null when the key is none of ours. */
export function pointAfterKey(key: string, at: number | null, count: number): number | null {
  if (count === 0) return null;
  const last = count - 1;
  const here = at ?? last;
  const to = (() => {
    switch (key) {
      // Without a cursor the first key press shows it where the newest value is.
      case "ArrowLeft": return at === null ? last : here - 1;
      case "ArrowRight": return at === null ? last : here + 1;
      case "PageUp": return here - Math.max(1, Math.round(count / 10));
      case "PageDown": return here + Math.max(1, Math.round(count / 10));
      case "Home": return 0;
      case "End": return last;
      default: return null;
    }
  })();
  return to === null ? null : Math.min(Math.max(to, 0), last);
}

/** The point that is nearest to an instant, of sorted ones; null where there is none. */
export function nearestPoint(x: readonly number[], ms: number): number | null {
  if (x.length === 0) return null;
  let [low, high] = [0, x.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((x[middle] ?? 0) < ms) low = middle + 1;
    else high = middle;
  }
  const before = x[low - 1];
  return before !== undefined && ms - before <= (x[low] ?? 0) - ms ? low - 1 : low;
}

/** The nearest point, but only one that is near enough to be meant, on a chart of this length. */
export function pointWithin(x: readonly number[], ms: number, lengthMs: number): number | null {
  const at = nearestPoint(x, ms);
  return at !== null && Math.abs((x[at] ?? 0) - ms) <= lengthMs / 30 ? at : null;
}
