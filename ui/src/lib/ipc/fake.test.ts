// The fake world must not contradict itself: screens are judged by it.
import { expect, test } from "vitest";
import { FakeCore } from "./fake";

const NOW = Date.UTC(2026, 10, 26, 12, 0, 0);
const DAY = 86_400_000;
const fresh = (options = {}) => new FakeCore({ now: () => NOW, ...options });

test("the same seed gives the same world, another gives another", async () => {
  const [one, same, other] = await Promise.all([fresh().board(), fresh().board(), fresh({ seed: 2 }).board()]);
  expect(same).toEqual(one);
  expect(other.rows.map((row) => row.id)).not.toEqual(one.rows.map((row) => row.id));
});

test("board, series, results and incidents tell the same story", async () => {
  const core = fresh();
  const { rows, summary } = await core.board();
  const router = rows.find((row) => row.name === "router");
  if (!router) throw new Error("no router");
  expect(router.state).toBe("down");
  expect(summary.counts.down).toBe(summary.openIncidents);

  const results = await core.results(router.id, 30, null);
  const bad = results.results.filter((result) => result.timeMs >= (router.sinceMs ?? 0));
  expect(bad.length).toBeGreaterThan(5);
  expect(bad.every((result) => result.verdict === "down")).toBe(true);
  expect(results.results[bad.length]?.verdict).toBe("up");

  const incidents = await core.incidents(router.id, NOW - DAY, NOW, 10);
  expect(incidents.incidents[0]).toMatchObject({ id: router.incident, endedMs: null, openedMs: router.sinceMs });

  const series = await core.series(router.id, NOW - DAY, NOW, 288);
  expect(series.outages.at(-1)?.incident).toBe(router.incident);
  expect(series.down.at(-1)).toBeGreaterThan(0.5);
  for (const [index, start] of series.startMs.entries()) {
    const shares = (series.up[index] ?? 0) + (series.degraded[index] ?? 0) + (series.down[index] ?? 0);
    expect(shares).toBeLessThanOrEqual(1.0001);
    const [min, p50, p95, max] = [series.minUs[index], series.p50Us[index], series.p95Us[index], series.maxUs[index]];
    if (min == null || p50 == null || p95 == null || max == null) continue;
    expect([min, p50, p95, max], String(start)).toEqual([min, p50, p95, max].toSorted((a, b) => a - b));
  }
});

test("pages of results follow each other without a hole or a repetition", async () => {
  const core = fresh({ scenario: "calm" });
  const id = (await core.board()).rows[0]?.id ?? "";
  const whole = await core.results(id, 60, null);
  const first = await core.results(id, 30, null);
  const second = await core.results(id, 30, first.next);
  expect([...first.results, ...second.results]).toEqual(whole.results);
});

test("a draft is checked, saved, met by a conflict on demand, and undone", async () => {
  const core = fresh({ size: 5, conflict: true });
  const empty = await core.draft({ kind: "tcp", group: "Network" });
  expect((await core.checkDraft(empty)).map((error) => error.key)).toEqual(["name", "target"]);
  const draft = { ...empty, values: { name: "ssh", target: "nas.lan", port: "22", interval: "90s" } };
  const met = await core.saveDraft(draft);
  if (met.outcome !== "conflict") throw new Error("no conflict");
  const saved = await core.saveDraft({ ...draft, base: met.theirBase });
  if (saved.outcome !== "saved") throw new Error("not saved");
  expect(saved.undo).toBe(true);
  const added = (await core.board()).rows.at(-1);
  expect(added).toMatchObject({ name: "ssh", target: "nas.lan:22", intervalMs: 90_000, state: "pending" });
  await expect(core.undo("another")).rejects.toThrow();
  await core.undo(saved.base);
  expect((await core.board()).rows).toHaveLength(5);
});
