import { describe, expect, test } from "vitest";
import { lineAt, scrollTo, topsOf, windowOf } from "./window";

const tops = topsOf([34, 44, 44, 34, 44]);

describe("windowOf", () => {
  test("tops add up", () => {
    expect([...tops]).toEqual([0, 34, 78, 122, 156, 200]);
  });

  test("nothing to show", () => {
    expect(windowOf(topsOf([]), 0, 500, 8)).toEqual({ first: 0, last: 0, top: 0, total: 0 });
  });

  test("finds the line under a height, also at its very edge", () => {
    expect([0, 33, 34, 77, 78, 155, 156, 999].map((y) => lineAt(tops, y))).toEqual([0, 0, 1, 1, 2, 3, 4, 4]);
  });

  test("covers what is visible and the overscan, and never more than there is", () => {
    expect(windowOf(tops, 80, 40, 0)).toEqual({ first: 2, last: 3, top: 78, total: 200 });
    expect(windowOf(tops, 80, 40, 1)).toMatchObject({ first: 1, last: 4 });
    expect(windowOf(tops, 80, 40, 50)).toMatchObject({ first: 0, last: 5 });
  });

  test("a list that begins below the scroller's top", () => {
    expect(windowOf(tops, -300, 320, 0)).toMatchObject({ first: 0, last: 1 });
    expect(windowOf(tops, -300, 200, 0)).toMatchObject({ first: 0, last: 1 });
  });

  test("every visible pixel of a long list has its line", () => {
    const long = topsOf(Array.from({ length: 5000 }, (_, index) => (index % 40 ? 44 : 34)));
    for (let scrolled = 0; scrolled < 219_000; scrolled += 997) {
      const { first, last, top } = windowOf(long, scrolled, 700, 0);
      expect(top).toBeLessThanOrEqual(scrolled);
      expect(long[last]).toBeGreaterThanOrEqual(Math.min(scrolled + 700, long[5000] ?? 0));
      expect(last - first).toBeLessThan(22);
    }
  });
});

describe("scrollTo", () => {
  test("stays where the line is in view", () => {
    expect(scrollTo(tops, 2, 40, 120, 30)).toBeNull();
  });

  test("comes from below and from above, clear of the head", () => {
    expect(scrollTo(tops, 4, 0, 100, 30)).toBe(100);
    expect(scrollTo(tops, 1, 60, 100, 30)).toBe(4);
    expect(scrollTo(tops, 0, 60, 100, 30)).toBe(0);
  });
});
