// Spans that lie behind the lines: outages, and time that nobody observed. Here they are cut to the window and joined, so
// that a year of short ones is neither lost below a pixel nor drawn a thousand times.
import type { GapReason, Series } from "../ipc/bindings";

export type Span = { fromMs: number; toMs: number; what: "outage" } | { fromMs: number; toMs: number; what: "gap"; reason: GapReason };

export type TimeWindow = { fromMs: number; toMs: number };

/** Gaps first, so that an outage is drawn over them. `joinMs` is how close two of the same kind may be to become one. */
export function spansOf(series: Pick<Series, "gaps" | "outages">, window: TimeWindow, joinMs: number): Span[] {
  const gaps = series.gaps.map((gap): Span => ({ fromMs: gap.fromMs, toMs: gap.toMs, what: "gap", reason: gap.reason }));
  const outages = series.outages.map((outage): Span => ({ fromMs: outage.fromMs, toMs: outage.toMs, what: "outage" }));
  return [...joined(cut(gaps, window), joinMs), ...joined(cut(outages, window), joinMs)];
}

function cut(spans: Span[], { fromMs, toMs }: TimeWindow): Span[] {
  return spans
    .filter((span) => span.toMs >= fromMs && span.fromMs <= toMs)
    .map((span) => ({ ...span, fromMs: Math.max(span.fromMs, fromMs), toMs: Math.min(span.toMs, toMs) }))
    .sort((a, b) => a.fromMs - b.fromMs);
}

function joined(spans: Span[], joinMs: number): Span[] {
  const out: Span[] = [];
  for (const span of spans) {
    const before = out.at(-1);
    if (before && isSame(before, span) && span.fromMs - before.toMs <= joinMs) {
      before.toMs = Math.max(before.toMs, span.toMs);
    } else out.push({ ...span });
  }
  return out;
}

const isSame = (a: Span, b: Span): boolean =>
  a.what === b.what && (a.what !== "gap" || b.what !== "gap" || a.reason === b.reason);

/** The gap or outage at an instant; an outage goes first. */
export function spanAt<S extends Span>(spans: readonly S[], ms: number): S | null {
  return spans.findLast((span) => span.fromMs <= ms && ms <= span.toMs) ?? null;
}

/** How long spans are together, those that overlap counted once. */
export function lengthOf(spans: readonly { fromMs: number; toMs: number }[], window: TimeWindow): number {
  let [sum, reach] = [0, window.fromMs];
  for (const span of [...spans].sort((a, b) => a.fromMs - b.fromMs)) {
    const [from, to] = [Math.max(span.fromMs, reach), Math.min(span.toMs, window.toMs)];
    if (to > from) [sum, reach] = [sum + to - from, to];
  }
  return sum;
}
