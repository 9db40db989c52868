import { describe, expect, it } from "vitest";
import { niceStep, timeStep, timeTicks, valueAxis } from "./scale";

describe("niceStep", () => {
  it("rounds up to 1, 2, 2.5, 5 times a power of ten", () => {
    expect([0.3, 1, 1.1, 2.2, 3, 5, 7, 24_000, 26_000].map(niceStep)).toEqual([
      0.5, 1, 2, 2.5, 5, 5, 10, 25_000, 50_000,
    ]);
  });

  it("answers something usable for nonsense", () => {
    expect([0, -3, Number.NaN, Number.POSITIVE_INFINITY].map(niceStep)).toEqual([1, 1, 1, 1]);
  });
});

describe("valueAxis", () => {
  it("starts at zero and ends just above the highest value", () => {
    const axis = valueAxis(88_000, 4);
    expect(axis.ticks).toEqual([0, 25_000, 50_000, 75_000]);
    expect(axis.top).toBeGreaterThan(88_000);
    expect(axis.top).toBeLessThan(100_000);
  });

  it("has an axis where there is no value at all", () => {
    const axis = valueAxis(Number.NEGATIVE_INFINITY, 4, 1000);
    expect(axis.ticks[0]).toBe(0);
    expect(axis.top).toBeGreaterThanOrEqual(1000);
  });

  it("never gives more steps than asked for", () => {
    for (const max of [1, 17, 999, 10_001, 7_654_321]) expect(valueAxis(max, 4).ticks.length).toBeLessThanOrEqual(5);
  });
});

describe("timeTicks", () => {
  const local = (...of: [number, number, number, number?, number?]): number =>
    new Date(of[0], of[1], of[2], of[3] ?? 0, of[4] ?? 0).getTime();

  it("takes the finest step that fits", () => {
    expect(timeStep(3_600_000, 6)).toEqual({ unit: "minute", every: 10 });
    expect(timeStep(86_400_000, 6)).toEqual({ unit: "hour", every: 4 });
    expect(timeStep(365 * 86_400_000, 12)).toEqual({ unit: "month", every: 1 });
  });

  it("lands on round local hours and names the day where it starts", () => {
    const ticks = timeTicks(local(2026, 10, 23, 14, 6), local(2026, 10, 24, 14, 6), 6);
    expect(ticks.map((tick) => new Date(tick.ms).getHours())).toEqual([16, 20, 0, 4, 8, 12]);
    expect(ticks.map((tick) => tick.says)).toEqual(["time", "time", "date", "time", "time", "time"]);
  });

  it("names the year where it starts", () => {
    const ticks = timeTicks(local(2025, 10, 1), local(2026, 2, 2), 6);
    expect(ticks.map((tick) => tick.says)).toEqual(["month", "month", "year", "month", "month"]);
  });

  it("has nothing for an empty span", () => {
    expect(timeTicks(5, 5, 6)).toEqual([]);
  });
});
