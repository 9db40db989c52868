// Pictures of days: how much of each was up, degraded, down or not observed, as few SVG paths.
import type { DayMark } from "../ipc/bindings";

/** What a day is called: the worst that was observed for a noticeable time. */
export type DayTone = "none" | "up" | "degraded" | "down";

const NOTICEABLE = 0.0001;

export function toneOf(day: DayMark): DayTone {
  if (day.down > NOTICEABLE) return "down";
  if (day.degraded > NOTICEABLE) return "degraded";
  return day.observed > NOTICEABLE ? "up" : "none";
}

export type DayPaths = { up: string; degraded: string; down: string; none: string };

/** One path for each tone: a strip of bars has few nodes however many days it shows. */
export function stripPaths(days: readonly DayMark[], width: number, height: number, gap: number): DayPaths {
  const paths: DayPaths = { up: "", degraded: "", down: "", none: "" };
  const step = (width + gap) / Math.max(1, days.length);
  const bar = Math.max(1, step - gap);
  days.forEach((day, index) => {
    paths[toneOf(day)] += `M${(index * step).toFixed(2)} 0h${bar.toFixed(2)}v${height}h-${bar.toFixed(2)}z`;
  });
  return paths;
}
