// The line of the last 24 hours in a cell of a table. Pure.
import type { State } from "../ipc/bindings";

export type Spark = {
  line: string;
  /** Stretches that were down or not observed. */
  spans: { x: number; width: number; tone: "down" | "none" }[];
};

const INSET = 2;

/** The lowest value stands at the bottom only where the values differ noticeably: noise is not blown up to a mountain. */
function scaleOf(values: readonly (number | null)[]): (value: number) => number {
  const known = values.filter((value) => value !== null);
  const low = Math.min(...known);
  const high = Math.max(...known);
  const middle = (low + high) / 2;
  const reach = Math.max(high - low, middle * 0.35, 1e-9);
  return (value) => (value - (middle - reach / 2)) / reach;
}

export function sparkOf(values: readonly (number | null)[], states: readonly State[], width: number, height: number): Spark {
  const count = Math.max(values.length, 2);
  const step = (width - 2 * INSET) / (count - 1);
  const scale = scaleOf(values);
  let line = "";
  let drawing = false;
  values.forEach((value, index) => {
    const hidden = value === null || states[index] === "down";
    if (hidden) {
      drawing = false;
      return;
    }
    const x = INSET + index * step;
    const y = height - INSET - scale(value) * (height - 2 * INSET);
    // A dot for a value that stands alone: a line of no length with round ends.
    line += drawing ? `L${x.toFixed(1)} ${y.toFixed(1)}` : `M${x.toFixed(1)} ${y.toFixed(1)}h.01`;
    drawing = true;
  });
  const spans: Spark["spans"] = [];
  states.forEach((state, index) => {
    const tone = state === "down" ? "down" : state === "up" || state === "degraded" ? null : "none";
    if (!tone) return;
    const x = Math.max(0, INSET + (index - 0.5) * step);
    const last = spans.at(-1);
    const wide = Math.min(step, width - x);
    if (last && last.tone === tone && Math.abs(last.x + last.width - x) < 0.01) last.width += wide;
    else spans.push({ x, width: wide, tone });
  });
  return { line, spans };
}
