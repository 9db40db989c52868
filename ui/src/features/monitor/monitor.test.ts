import { describe, expect, it } from "vitest";
import type { LabelledSpan } from "../../lib/chart/layers";
import type { BoardRow, CheckResult, Parts, ResultPage, Series } from "../../lib/ipc/bindings";
import { bucketWords, gapLabel, seriesSummary } from "./describe";
import { factLabel, factValue, headlineOf } from "./facts";
import { Latest } from "./latest.svelte";
import { groupsOf, isEmpty, meanText, partValue } from "./partGroups";
import { refreshed, withMore } from "./results";
import { sentenceOf } from "./sentence";

const plain = (text: string): string => text.replace(/[\u2068\u2069]/g, "").replace(/\u00a0/g, " ");

const row: BoardRow = {
  id: "m", name: "gitlab", group: "g", kind: "http", target: "https://a", labels: {}, intervalMs: 30_000, timeoutMs: 10_000,
  state: "up", sinceMs: 0, verdict: "up", failure: null, message: "", lastCheckMs: 0, durationUs: 1, nextCheckMs: null, loss: null,
  certificateDays: null, stale: false, pausedUntilMs: null, gap: null, incident: null,
};

describe("the sentence of a monitor", () => {
  const say = (change: Partial<BoardRow>, nowMs = 8_040_000): string => plain(sentenceOf({ ...row, ...change }, nowMs));

  it("says state, length and reason", () => {
    expect(say({})).toBe("gitlab has been up for 2 h 14 min");
    expect(say({ state: "down", message: "connection refused" }, 250_000)).toBe("gitlab has been down for 4 min 10 s — connection refused");
    expect(say({ state: "degraded", failure: "assertion" }, 60_000)).toBe("gitlab has been degraded for 1 min — not as expected");
    expect(say({ state: "pending", sinceMs: null, message: "secret `KEY` is missing" })).toBe(
      "gitlab has not been checked yet — secret `KEY` is missing",
    );
    expect(say({ state: "paused" })).toBe("gitlab is paused until you resume it");
    expect(say({ state: "unobserved", gap: "offline" }, 120_000)).toBe("gitlab has not been observed for 2 min — this computer is offline");
    expect(say({ state: "up", sinceMs: null })).toBe("gitlab is up");
  });
});

const series: Series = {
  id: "m", fromMs: 0, toMs: 600_000, tier: null, startMs: [0, 300_000], bucketMs: 300_000, checks: [10, 0], failed: [1, 0],
  minUs: [19_000, null], p50Us: [27_000, null], p95Us: [41_000, null], maxUs: [43_000, null], up: [0.9, 0], degraded: [0, 0], down: [0.1, 0],
  gaps: [{ fromMs: 300_000, toMs: 600_000, reason: "asleep" }], outages: [{ fromMs: 60_000, toMs: 90_000, incident: "i" }],
};

describe("a chart in words", () => {
  it("says what a point is", () => {
    const words = bucketWords(series, 0, 150_000, []);
    expect(plain(words.figures ?? "")).toBe("median 27 ms · p95 41 ms");
    expect(plain(words.rest)).toBe("10 checks · 19 ms – 43 ms · 1 failed");
  });

  it("says why there is nothing", () => {
    const gap: LabelledSpan = { fromMs: 300_000, toMs: 600_000, what: "gap", reason: "asleep", label: gapLabel("asleep", 300_000) };
    expect(plain(bucketWords(series, 1, 450_000, [gap]).rest)).toBe("not observed · asleep 5 min");
    expect(bucketWords(series, -1, 450_000, []).rest).toBe("no check");
  });

  it("sums up the whole", () => {
    expect(plain(seriesSummary(series))).toContain(
      "10 checks, 1 failed. The median answer took 27 ms, the fastest 19 ms, the slowest 43 ms. One outage of 30 s. Not observed for 5 min.",
    );
  });
});

describe("facts", () => {
  it("are written by their unit, unknown ones too", () => {
    expect(plain(factValue({ key: "http_bytes", unit: "bytes", number: 18_400, text: null }))).toBe("18.4 kB");
    expect([factLabel("http_status"), factLabel("some_new_thing")]).toEqual(["Status", "Some new thing"]);
  });

  it("make a headline", () => {
    const facts = [
      { key: "http_bytes", unit: "bytes" as const, number: 18_400, text: null },
      { key: "http_status", unit: "count" as const, number: 200, text: null },
    ];
    expect(plain(headlineOf(facts))).toBe("status 200 · 18.4 kB");
  });
});

describe("parts", () => {
  const parts: Parts = {
    id: "m", startMs: [0, 1], bucketMs: 1, keptFromMs: null,
    lines: [
      { key: "phase_connect", unit: "micros", stacked: true, values: [1_000, null] },
      { key: "phase_tls", unit: "micros", stacked: true, values: [3_000, null] },
      { key: "loss", unit: "share", stacked: false, values: [0.5, 0] },
    ],
  };

  it("share a chart when they share a unit, each with a colour of its own", () => {
    const groups = groupsOf(parts);
    expect(groups.map((group) => group.parts.map((part) => [part.label, part.ink]))).toEqual([
      [["connect", "series-1"], ["TLS", "series-2"]], [["loss", "series-3"]],
    ]);
    expect(groups[0]?.layers).toMatchObject([{ kind: "bars", tops: [[1_000, null], [4_000, null]] }]);
    expect(plain(meanText(groups[0]?.parts[1] as never))).toBe("3 ms");
  });

  it("know when there are none", () => {
    expect(isEmpty(parts)).toBe(false);
    expect(isEmpty({ ...parts, lines: [] })).toBe(true);
    expect(plain(partValue("share", 0.125))).toBe("12.5 %");
  });
});

describe("latest results", () => {
  const result = (timeMs: number) => ({ timeMs }) as CheckResult;
  const page = (next: string | null, ...times: number[]): ResultPage => ({
    source: { backend: "x", keepsHistory: true, note: null, kept: [] },
    results: times.map(result), next: next === null ? null : { timeUs: next, monitor: "m" },
  });
  const times = (list: { results: CheckResult[] }): number[] => list.results.map((each) => each.timeMs);

  it("grow downwards and are refreshed from the top", () => {
    const first = refreshed(null, page("8", 10, 9, 8));
    const longer = withMore(first, page("5", 7, 6, 5));
    const fresh = refreshed(longer, page("9", 11, 10, 9));
    expect(times(fresh)).toEqual([11, 10, 9, 8, 7, 6, 5]);
    expect(fresh.next?.timeUs).toBe("5");
  });

  it("start anew where the pages do not meet", () => {
    const fresh = refreshed(refreshed(null, page("8", 10, 9, 8)), page("20", 22, 21, 20));
    expect([times(fresh), fresh.next?.timeUs]).toEqual([[22, 21, 20], "20"]);
  });
});

describe("Latest", () => {
  const later = <T>() => {
    let resolve: (value: T) => void = () => {};
    const promise = new Promise<T>((done) => (resolve = done));
    return { promise, resolve };
  };

  it("drops the answer to an earlier question", async () => {
    const latest = new Latest<string>();
    const [slow, quick] = [later<string>(), later<string>()];
    const first = latest.load(() => slow.promise);
    const second = latest.load(() => quick.promise);
    quick.resolve("new");
    await second;
    slow.resolve("old");
    await first;
    expect(latest.value).toBe("new");
  });

  it("keeps the old value through a failure, and asks again once after a slow answer", async () => {
    const latest = new Latest<string>();
    await latest.load(() => Promise.resolve("kept"));
    await latest.load(() => Promise.reject(new Error("gone")));
    expect([latest.value, latest.error]).toEqual(["kept", "Something went wrong: gone."]);
    const slow = later<string>();
    const asked: string[] = [];
    const running = latest.load(() => slow.promise);
    for (const name of ["a", "b"]) {
      void latest.refresh(() => {
        asked.push(name);
        return Promise.resolve(name);
      });
    }
    slow.resolve("slow");
    await running;
    expect([asked, latest.value, latest.error]).toEqual([["b"], "b", null]);
  });
});
