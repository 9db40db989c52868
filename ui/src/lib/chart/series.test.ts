import { describe, expect, it } from "vitest";
import type { Series } from "../ipc/bindings";
import { columnsOf, withTail } from "./columns";
import { nearestPoint, pointAfterKey, pointWithin } from "./cursor";
import { bucketsFor, pan, windowOf, zoomBy, zoomOut, zoomTo, type View } from "./range";
import { lengthOf, spanAt, spansOf } from "./spans";
import { meanOf, stacked } from "./stack";
import { figuresOf, weightedMedian } from "./summary";

/** Buckets of ten seconds; each is a median, `null` for nothing observed, "quiet" for observed without a check, "down". */
function seriesOf(...buckets: (number | null | "quiet" | "down")[]): Series {
  const median = buckets.map((bucket) => (typeof bucket === "number" ? bucket : null));
  const is = (what: (bucket: number | null | string) => boolean): number[] => buckets.map((bucket) => (what(bucket) ? 1 : 0));
  return {
    id: "m", fromMs: 0, toMs: buckets.length * 10_000, tier: null,
    startMs: buckets.map((_, at) => at * 10_000), bucketMs: 10_000,
    checks: is((bucket) => typeof bucket === "number" || bucket === "down"),
    failed: is((bucket) => bucket === "down"),
    minUs: median.map((value) => value && value - 5), p50Us: median,
    p95Us: median.map((value) => value && value + 5), maxUs: median.map((value) => value && value + 9),
    up: is((bucket) => typeof bucket === "number" || bucket === "quiet"), degraded: is(() => false),
    down: is((bucket) => bucket === "down"), gaps: [], outages: [],
  };
}

describe("columnsOf", () => {
  it("puts a point in the middle of each bucket", () => {
    const columns = columnsOf(seriesOf(20, 30), 10_000);
    expect(columns.x).toEqual([5_000, 15_000]);
    expect(columnsOf({ ...seriesOf(20, 30), toMs: 12_000 }, 10_000).x).toEqual([5_000, 11_000]);
    expect(columns.p50).toEqual([20, 30]);
    expect(columns.max).toEqual([29, 39]);
    expect(columns.bucket).toEqual([0, 1]);
  });

  it("cuts the line where nothing was observed and where nothing answered", () => {
    expect(columnsOf(seriesOf(20, null, 30, "down", 40), 10_000).p50).toEqual([20, null, 30, null, 40]);
  });

  it("goes on through buckets that are only shorter than the interval", () => {
    const columns = columnsOf(seriesOf(20, "quiet", "quiet", 30), 30_000);
    expect(columns.p50).toEqual([20, 30]);
    expect(columns.bucket).toEqual([0, 3]);
  });

  it("cuts the line where buckets are missing", () => {
    const whole = seriesOf(20, 30, 40, 50, 60, 70);
    const keep = [0, 5];
    const pick = <T>(column: T[]): T[] => keep.map((at) => column[at] as T);
    const series = { ...whole, startMs: pick(whole.startMs), p50Us: pick(whole.p50Us), checks: pick(whole.checks), up: pick(whole.up) };
    expect(columnsOf(series, 10_000).p50).toEqual([20, null, 70]);
  });
});

describe("withTail", () => {
  it("opens a new bucket", () => {
    const series = withTail(seriesOf(20, 30), { timeMs: 41_000, durationUs: 50, verdict: "up" });
    expect(series.startMs).toEqual([0, 10_000, 40_000]);
    expect(series.p50Us).toEqual([20, 30, 50]);
    expect(series.toMs).toBe(41_000);
  });

  it("widens the last bucket and leaves its median", () => {
    const series = withTail(seriesOf(20, 30), { timeMs: 12_000, durationUs: 90, verdict: "up" });
    expect(series.p50Us).toEqual([20, 30]);
    expect(series.maxUs).toEqual([29, 90]);
    expect(series.checks).toEqual([1, 2]);
  });

  it("counts a failure without an answer time, and nothing that is no result of the target", () => {
    const down = withTail(seriesOf(20), { timeMs: 12_000, durationUs: 10_000_000, verdict: "down" });
    expect([down.failed, down.p50Us]).toEqual([[0, 1], [20, null]]);
    const series = seriesOf(20);
    expect(withTail(series, { timeMs: 12_000, durationUs: 9, verdict: "inconclusive" })).toBe(series);
  });
});

describe("spansOf", () => {
  const of = {
    gaps: [
      { fromMs: -50, toMs: 10, reason: "asleep" as const },
      { fromMs: 12, toMs: 20, reason: "asleep" as const },
      { fromMs: 21, toMs: 30, reason: "offline" as const },
    ],
    outages: [{ fromMs: 25, toMs: 500, incident: "i" }, { fromMs: 900, toMs: 901, incident: "k" }],
  };

  it("cuts to the window and joins what is close and the same", () => {
    expect(spansOf(of, { fromMs: 0, toMs: 100 }, 5)).toEqual([
      { fromMs: 0, toMs: 20, what: "gap", reason: "asleep" },
      { fromMs: 21, toMs: 30, what: "gap", reason: "offline" },
      { fromMs: 25, toMs: 100, what: "outage" },
    ]);
  });

  it("finds what an instant lies in, outages first", () => {
    const spans = spansOf(of, { fromMs: 0, toMs: 100 }, 0);
    expect(spanAt(spans, 26)?.what).toBe("outage");
    expect(spanAt(spans, 22)).toMatchObject({ reason: "offline" });
    expect(spanAt(spans, 20.5)).toBeNull();
  });

  it("counts overlaps once", () => {
    expect(lengthOf([{ fromMs: 0, toMs: 10 }, { fromMs: 5, toMs: 20 }, { fromMs: 18, toMs: 19 }], { fromMs: 2, toMs: 100 })).toBe(18);
  });
});

describe("range", () => {
  const now = 1_800_000_000_000;
  const day: View = { range: "24h", zoom: null };

  it("follows now until somebody zooms", () => {
    expect(windowOf(day, now)).toEqual({ fromMs: now - 86_400_000, toMs: now });
    const zoomed = zoomTo(day, now - 1_000_000, now - 2_000_000, now);
    expect(windowOf(zoomed, now + 5_000)).toEqual({ fromMs: now - 2_000_000, toMs: now - 1_000_000 });
    expect(zoomOut(zoomed)).toEqual(day);
  });

  it("keeps a shortest length and never shows the future", () => {
    const { fromMs, toMs } = windowOf(zoomTo(day, now - 10, now, now), now);
    expect([toMs - fromMs, toMs]).toEqual([60_000, now]);
  });

  it("zooms around an instant and falls back to the range", () => {
    const half = windowOf(zoomBy(day, 0.5, now - 43_200_000, now), now);
    expect([half.fromMs - now, half.toMs - now]).toEqual([-64_800_000, -21_600_000]);
    expect(zoomBy(day, 2, now, now)).toEqual(day);
  });

  it("pans back, and to now again", () => {
    const back = pan(day, -3_600_000, now);
    expect(windowOf(back, now).toMs).toBe(now - 3_600_000);
    expect(pan(back, 7_200_000, now)).toEqual(day);
  });

  it("asks for no more buckets than can be seen", () => {
    expect([100, 720, 4_000].map(bucketsFor)).toEqual([366, 400, 600]);
  });
});

describe("cursor", () => {
  it("starts at the newest point and stays inside", () => {
    expect(pointAfterKey("ArrowLeft", null, 10)).toBe(9);
    expect(pointAfterKey("ArrowLeft", 0, 10)).toBe(0);
    expect(pointAfterKey("PageUp", 50, 100)).toBe(40);
    expect(pointAfterKey("Home", 50, 100)).toBe(0);
    expect(pointAfterKey("a", 5, 10)).toBeNull();
    expect(pointAfterKey("End", null, 0)).toBeNull();
  });

  it("finds the nearest point", () => {
    expect([-5, 4, 6, 14, 99].map((ms) => nearestPoint([0, 10, 20], ms))).toEqual([0, 0, 1, 1, 2]);
    expect(nearestPoint([], 3)).toBeNull();
    expect([11, 12].map((ms) => pointWithin([0, 10, 20], ms, 30))).toEqual([1, null]);
  });
});

describe("stacked", () => {
  const line = (key: string, ...values: (number | null)[]) => ({ key, unit: "micros" as const, stacked: true, values });

  it("puts each part on those before it; parts that did not happen have no height", () => {
    expect(stacked([line("a", 1, null, null), line("b", 2, 5, null)])).toEqual([[1, 0, null], [3, 5, null]]);
  });

  it("means only what is known", () => {
    expect([meanOf([1, null, 3]), meanOf([null])]).toEqual([2, null]);
  });
});

describe("figuresOf", () => {
  it("sums up what is drawn", () => {
    const series = { ...seriesOf(20, 40, "down", null, 30), gaps: [{ fromMs: 30_000, toMs: 40_000, reason: "asleep" as const }] };
    expect(figuresOf(series)).toEqual({
      checks: 4, failed: 1, medianUs: 30, lowestUs: 15, highestUs: 49, outages: 0, outageMs: 0, unobservedMs: 10_000,
    });
  });

  it("weighs medians by their checks", () => {
    expect(weightedMedian([10, 50, null], [9, 1, 7])).toBe(10);
    expect(weightedMedian([], [])).toBeNull();
  });
});
