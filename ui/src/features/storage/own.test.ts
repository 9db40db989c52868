import { expect, test } from "vitest";
import type { KeptTier } from "../../lib/ipc/bindings";
import { matching, ownChanges, ownTexts, saidTimes } from "./own";

const TIERS: KeptTier[] = ["raw", "fiveMinutes", "hour", "day"].map((key) => ({ key, days: 30, usual: 30, written: null }));

test("only monitors whose times differ are sent, with all of their tiers", () => {
  const before = ownTexts([{ id: "a", name: "a", values: { raw: "90d" } }, { id: "b", name: "b", values: { hour: "forever" } }]);
  expect(ownChanges(TIERS, before, { ...before })).toEqual({});
  const none = { raw: null, fiveMinutes: null, hour: null, day: null };
  const after = { a: { raw: " 90d ", day: "" }, c: { raw: "7d" }, d: {} };
  expect(ownChanges(TIERS, before, after)).toEqual({ b: none, c: { ...none, raw: "7d" } });
});

test("monitors are found by a part of their name, in any case", () => {
  const named = ["wiki", "Router", "api-router"].map((name) => ({ name }));
  expect(matching(named, " ROUT").map(({ name }) => name)).toEqual(["api-router", "Router"]);
  expect(matching(named, "").length).toBe(3);
});

test("times are said with the words of the tiers", () => {
  expect(saidTimes(TIERS, { raw: "90d", hour: "forever" })).toBe("Every result: 90 days and Hour figures: for ever");
  expect(saidTimes(TIERS, { raw: "" })).toBe("as for all so far");
});
