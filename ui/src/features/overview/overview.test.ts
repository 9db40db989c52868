import { beforeEach, describe, expect, test } from "vitest";
import type { BoardRow, Figures, State, Summary } from "../../lib/ipc/bindings";
import { useLanguage } from "../../lib/locale.svelte";
import { countStates, facetsOf, filtered, linesOf, NO_FILTER, type TableLine } from "./lines";
import { partsOf, sentenceOf } from "./sentence";

const NOW = Date.UTC(2026, 10, 26, 12, 0, 0);

function row(name: string, state: State, more: Partial<BoardRow> = {}): BoardRow {
  return {
    id: name, name, group: "LAN", kind: "ping", target: `${name}.lan`, labels: {}, intervalMs: 30_000, timeoutMs: 10_000,
    state, sinceMs: NOW - 252_000, verdict: "up", failure: null, message: "", lastCheckMs: NOW, durationUs: 1000, nextCheckMs: NOW,
    loss: 0, certificateDays: null, stale: false, pausedUntilMs: null, gap: null, incident: null, ...more,
  };
}

function summaryOf(rows: BoardRow[], more: Partial<Summary> = {}): Summary {
  const counts: Summary["counts"] = { monitors: rows.length, up: 0, degraded: 0, down: 0, pending: 0, paused: 0, maintenance: 0, unobserved: 0 };
  for (const one of rows) counts[one.state] += 1;
  return {
    counts, openIncidents: counts.down, gap: null, faults: [], mutedUntilMs: null, nowMs: NOW,
    storage: { backend: "x", name: { en: "X", de: "X" }, keepsHistory: true, lastWriteMs: NOW, backlogRows: 0 }, ...more,
  };
}

const names = (lines: TableLine[]) => lines.map((line) => (line.type === "group" ? `[${line.name}]` : line.row.name));

beforeEach(() => useLanguage("en"));

describe("lines of the table", () => {
  const rows = [
    row("b", "up"), row("a10", "up"), row("a2", "down", { group: "WAN", kind: "http", durationUs: null }),
    row("c", "degraded", { durationUs: 9000 }), row("d", "paused", { labels: { site: "Zürich" } }),
  ];

  test("worst first, the rest in the order of the file, groups by their worst", () => {
    expect(names(linesOf(rows, "state", new Set()))).toEqual(["[WAN]", "a2", "[LAN]", "c", "b", "a10", "d"]);
  });

  test("other orders", () => {
    expect(names(linesOf(rows, "name", new Set()))).toEqual(["[LAN]", "a10", "b", "c", "d", "[WAN]", "a2"]);
    expect(names(linesOf(rows, "answer", new Set()))[1]).toBe("c");
    expect(names(linesOf(rows, "kind", new Set()))).toEqual(["[LAN]", "a10", "b", "c", "d", "[WAN]", "a2"]);
  });

  test("a collapsed group keeps its head and its counts", () => {
    const lines = linesOf(rows, "state", new Set(["LAN"]));
    expect(names(lines)).toEqual(["[WAN]", "a2", "[LAN]"]);
    expect(lines[2]).toMatchObject({ collapsed: true, rows: { length: 4 } });
  });

  test("filters by every word, without marks and case, by state, kind, group and label", () => {
    expect(filtered(rows, { ...NO_FILTER, text: "lan ZURICH" }).map((one) => one.name)).toEqual(["d"]);
    expect(filtered(rows, { ...NO_FILTER, states: new Set<State>(["down", "degraded"]) })).toHaveLength(2);
    expect(filtered(rows, { ...NO_FILTER, kind: "http" })).toHaveLength(1);
    expect(filtered(rows, { ...NO_FILTER, group: "LAN", text: "a" }).length).toBe(4);
    expect(filtered(rows, { ...NO_FILTER, label: "site=Zürich" })).toHaveLength(1);
  });

  test("counts of states ignore the states chosen, not the rest", () => {
    const counts = countStates(rows, { ...NO_FILTER, group: "LAN", states: new Set<State>(["down"]) });
    expect(counts).toMatchObject({ up: 2, degraded: 1, paused: 1, down: 0 });
  });

  test("facets", () => {
    expect(facetsOf(rows)).toEqual({ kinds: ["http", "ping"], groups: ["LAN", "WAN"], labels: ["site=Zürich"] });
  });
});

describe("the sentence", () => {
  const say = (rows: BoardRow[], more: Partial<Summary> = {}, figures: Figures | null = null) => {
    const { state, text, detail } = sentenceOf(summaryOf(rows, more), rows, figures, NOW);
    return [state, text, partsOf(detail ?? "").map((part) => (part.strong ? `*${part.text}*` : part.text)).join("")].join(" | ").replaceAll("\u00a0", " ");
  };
  const down = row("router", "down", { failure: "timeout", message: "no answer to ping" });

  test.each([
    ["all up", [row("a", "up"), row("b", "up")], {}, "up | All 2 monitors are up. | Up for *4 min 12 s*"],
    ["one down", [down, row("b", "up")], {}, "down | router is down. 1 of 2 are up. | No answer to ping for *4 min 12 s*"],
    ["the only one down", [down], {}, "down | router is down. | No answer to ping for *4 min 12 s*"],
    ["several down", [down, row("nas", "down", { failure: "connect", sinceMs: NOW - 3_600_000 })], {}, "down | 2 monitors are down. 0 of 2 are up. | Longest: nas, unreachable for *1 h*"],
    ["degraded only", [row("isp", "degraded", { loss: 0.04 }), row("b", "up")], {}, "degraded | isp is degraded. 1 of 2 are up. | 4 % loss for *4 min 12 s*"],
    ["offline", [row("a", "unobserved")], { gap: { reason: "offline", sinceMs: NOW - 420_000 } }, "unobserved | This computer is offline. | Nothing is observed and nothing is counted as down, for *7 min*"],
    ["paused", [row("a", "paused", { pausedUntilMs: NOW + 3_600_000 })], {}, "paused | Monitoring is paused. | It goes on by itself in *1 h*"],
    ["pending", [row("a", "pending")], {}, "pending | 1 monitor waits for its first check. | Results appear within seconds."],
    ["nothing", [], {}, "pending | Nothing is watched yet. | Add a monitor, or start with what was found on your network."],
    ["some not observed", [row("a", "up"), row("b", "paused")], {}, "up | The one that is observed is up. | 1 paused"],
    ["none observed", [row("a", "unobserved"), row("b", "paused")], {}, "unobserved | Nothing is observed right now. | 1 not observed · 1 paused"],
  ] satisfies [string, BoardRow[], Partial<Summary>, string][])("%s", (_, rows, more, expected) => {
    expect(say(rows, more)).toBe(expected);
  });

  test("quiet time where history knows it", () => {
    const figures: Figures = { window: "7d", uptime: 1, coverage: 1, incidents: 0, p95Us: null, quietSinceMs: NOW - 12 * 86_400_000 };
    expect(say([row("a", "up")], {}, figures)).toMatch(/^up \| The only monitor is up\. \| No incident for \*12 d\* · the last one ended Sat.*14.*2026$/);
  });
});
