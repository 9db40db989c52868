// Charts in words: what a point says, what stands for the whole.
import { dayLabel } from "../../lib/chart/labels";
import type { LabelledSpan } from "../../lib/chart/layers";
import { spanAt } from "../../lib/chart/spans";
import { figuresOf } from "../../lib/chart/summary";
import { answer, dateTime, duration, time, timeSeconds } from "../../lib/format";
import { maybe, t } from "../../lib/i18n";
import type { GapReason, Series } from "../../lib/ipc/bindings";

const DAY_MS = 86_400_000;

/** "asleep 1 h 12 min". */
export function gapLabel(reason: GapReason, lengthMs: number): string {
  return `${maybe(`gap_${reason}`) ?? reason} ${duration(lengthMs)}`;
}

/** "Mon 23 Nov, 13:40 – 13:45", or the days where a bucket is as long as that. */
export function bucketTime(startMs: number, bucketMs: number): string {
  const endMs = startMs + bucketMs;
  if (bucketMs === DAY_MS) return dayLabel(startMs);
  if (bucketMs > DAY_MS) return `${dayLabel(startMs)} – ${dayLabel(endMs)}`;
  const write = bucketMs < 60_000 ? timeSeconds : time;
  return `${dayLabel(startMs)}, ${write(startMs)} – ${write(endMs)}`;
}

export type PointWords = { when: string; figures: string | null; rest: string };

/** A bucket, in three lines: when, how fast, and what else. */
export function bucketWords(series: Series, bucket: number, ms: number, spans: readonly LabelledSpan[]): PointWords {
  const span = spanAt(spans, ms);
  const at = (column: readonly (number | null)[]): number | null => column[bucket] ?? null;
  const checks = at(series.checks) ?? 0;
  if (bucket < 0 || checks === 0) {
    const when = bucket < 0 ? dateTime(ms) : bucketTime(series.startMs[bucket] ?? ms, series.bucketMs);
    return { when, figures: null, rest: span?.what === "gap" ? t("point_gap", { what: span.label }) : t("point_nothing") };
  }
  const when = bucketTime(series.startMs[bucket] ?? ms, series.bucketMs);
  const [median, p95, low, high] = [at(series.p50Us), at(series.p95Us), at(series.minUs), at(series.maxUs)];
  const failed = at(series.failed) ?? 0;
  const figures = median === null ? null : t("point_figures", { median: answer(median), p95: answer(p95) });
  const parts = [t("point_checks", { count: checks })];
  if (low !== null && high !== null && high > low) parts.push(`${answer(low)} – ${answer(high)}`);
  parts.push(failed === 0 ? t("point_all_good") : t("point_failed", { count: failed }));
  return { when, figures, rest: parts.join(" · ") };
}

/** The chart as a sentence. */
export function seriesSummary(series: Series): string {
  const figures = figuresOf(series);
  const span = t("summary_span", { from: dateTime(series.fromMs), to: dateTime(series.toMs) });
  if (figures.checks === 0) return `${span} ${t("summary_no_checks")}`;
  const said = [
    span,
    t("summary_checks", { count: figures.checks, failed: figures.failed }),
    figures.medianUs === null
      ? t("summary_no_answer")
      : t("summary_answers", { median: answer(figures.medianUs), low: answer(figures.lowestUs), high: answer(figures.highestUs) }),
  ];
  if (figures.outages > 0) said.push(t("summary_outages", { count: figures.outages, time: duration(figures.outageMs) }));
  if (figures.unobservedMs > 0) said.push(t("summary_unobserved", { time: duration(figures.unobservedMs) }));
  return said.join(" ");
}
