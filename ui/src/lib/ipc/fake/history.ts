// The past of the fake world, in the shapes of the contract.
import type {
  CheckResult, DayMark, Fact, Figures, Incident, MonitorPage, Parts, ResultCursor, RowHistory, Series, State, Tier,
  UptimeTile, Verdict, Window,
} from "../bindings";
import { at } from "./random";
import {
  DAY, HOUR, MINUTE, SECOND, gapAt, gapsOf, lastCheck, latencyUs, sharesOf, spanAt, spreadUs, stateAt,
  type Actor, type Shares, type World,
} from "./world";

export const WINDOW_MS: { [window in Window]: number } = {
  "24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY, "90d": 90 * DAY, "1y": 365 * DAY,
};
const WINDOWS: Window[] = ["24h", "7d", "30d", "90d", "1y"];
/** Raw results are kept this long. */
const RAW_KEPT_MS = 31 * DAY;
/** So many monitors stand for all in days of everybody, so that a browser is not held up. */
const SAMPLED = 200;

function uptimeOf(shares: Shares): number | null {
  return shares.observed > 0 ? (shares.up + shares.degraded) / shares.observed : null;
}

function meanShares(world: World, actors: Actor[], fromMs: number, toMs: number): Shares {
  const sum: Shares = { up: 0, degraded: 0, down: 0, observed: 0 };
  for (const actor of actors) {
    const shares = sharesOf(world, actor, fromMs, toMs);
    sum.up += shares.up;
    sum.degraded += shares.degraded;
    sum.down += shares.down;
    sum.observed += shares.observed;
  }
  const count = Math.max(1, actors.length);
  return { up: sum.up / count, degraded: sum.degraded / count, down: sum.down / count, observed: sum.observed / count };
}

function localDay(ms: number): string {
  const day = new Date(ms);
  const two = (part: number) => String(part).padStart(2, "0");
  return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}`;
}

export function daysOf(world: World, actors: Actor[], days: number, nowMs: number): DayMark[] {
  const stride = Math.ceil(actors.length / SAMPLED);
  const sample = actors.filter((_, index) => index % stride === 0);
  const midnight = new Date(nowMs);
  midnight.setHours(0, 0, 0, 0);
  return Array.from({ length: days }, (_, index) => {
    const start = new Date(midnight);
    start.setDate(start.getDate() - (days - 1 - index));
    const end = new Date(start);
    end.setDate(end.getDate() + 1);
    const fromMs = start.getTime();
    const toMs = Math.min(end.getTime(), nowMs);
    const touched = actors.reduce(
      (count, actor) =>
        count + actor.spans.filter((span) => span.state === "down" && span.fromMs < toMs && (span.toMs ?? nowMs) > fromMs).length,
      0,
    );
    return { date: localDay(fromMs), ...meanShares(world, sample, fromMs, toMs), incidents: touched };
  });
}

export function figuresOf(world: World, window: Window, nowMs: number): Figures {
  const fromMs = nowMs - WINDOW_MS[window];
  const shares = meanShares(world, world.actors, fromMs, nowMs);
  const outages = world.actors.flatMap((actor) => actor.spans.filter((span) => span.state === "down"));
  const open = outages.some((span) => span.toMs === null);
  const lastEnd = outages.reduce((latest, span) => Math.max(latest, span.toMs ?? 0), 0);
  const p95s = world.actors.map((actor) => actor.baseUs * Math.exp(1.645 * actor.spread)).sort((a, b) => a - b);
  return {
    window,
    uptime: world.actors.length > 0 ? uptimeOf(shares) : null,
    coverage: world.actors.length > 0 ? shares.observed : null,
    incidents: outages.filter((span) => (span.toMs ?? nowMs) > fromMs).length,
    p95Us: p95s[Math.floor(p95s.length * 0.7)] ?? null,
    quietSinceMs: open || lastEnd === 0 ? null : lastEnd,
  };
}

export function rowHistoryOf(world: World, actor: Actor, nowMs: number): RowHistory {
  const slot = 30 * MINUTE;
  const lastSlot = Math.floor(nowMs / slot) * slot;
  const sparkUs: (number | null)[] = [];
  const sparkState: State[] = [];
  for (let index = 0; index < 48; index += 1) {
    const fromMs = lastSlot - (47 - index) * slot;
    const toMs = Math.min(fromMs + slot, nowMs);
    const shares = sharesOf(world, actor, fromMs, toMs);
    sparkUs.push(shares.up + shares.degraded > 0 ? spreadUs(actor, fromMs, 30).p50 : null);
    sparkState.push(
      shares.down > 0 ? "down"
      : shares.degraded > 0 ? "degraded"
      : shares.observed > 0.5 ? "up"
      : stateAt(world, actor, (fromMs + toMs) / 2) === "paused" ? "paused" : "unobserved",
    );
  }
  const month = sharesOf(world, actor, nowMs - 30 * DAY, nowMs);
  const day = sharesOf(world, actor, nowMs - DAY, nowMs);
  return {
    id: actor.id, sparkUs, sparkState, days: daysOf(world, [actor], 30, nowMs),
    p95Us: day.up + day.degraded > 0 ? spreadUs(actor, nowMs - 12 * HOUR, 1000).p95 : null,
    uptime: uptimeOf(month), coverage: month.observed,
  };
}

function tierOf(bucketMs: number): Tier | null {
  if (bucketMs >= DAY) return "day";
  if (bucketMs >= HOUR) return "hour";
  return bucketMs >= 5 * MINUTE ? "five_minutes" : null;
}

/** A step that a person would choose, no finer than asked for. */
function bucketOf(fromMs: number, toMs: number, buckets: number): number {
  const wanted = (toMs - fromMs) / Math.max(1, buckets);
  const steps = [10 * SECOND, 30 * SECOND, MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 7 * DAY];
  return steps.find((step) => step >= wanted) ?? 7 * DAY;
}

export function seriesOf(world: World, actor: Actor, fromMs: number, toMs: number, buckets: number, nowMs: number): Series {
  const bucketMs = bucketOf(fromMs, toMs, buckets);
  const series: Series = {
    id: actor.id, fromMs, toMs, tier: tierOf(bucketMs), startMs: [], bucketMs, checks: [], failed: [],
    minUs: [], p50Us: [], p95Us: [], maxUs: [], up: [], degraded: [], down: [], gaps: [], outages: [],
  };
  const last = Math.min(toMs, nowMs);
  for (let start = Math.floor(fromMs / bucketMs) * bucketMs; start < last; start += bucketMs) {
    const end = Math.min(start + bucketMs, last);
    const shares = sharesOf(world, actor, start, end);
    const checks = Math.round(((end - start) / actor.intervalMs) * shares.observed);
    const failed = Math.min(checks, Math.round(((end - start) / actor.intervalMs) * shares.down));
    const good = checks - failed;
    const spread = good > 0 ? spreadUs(actor, start, good) : null;
    series.startMs.push(start);
    series.checks.push(checks);
    series.failed.push(failed);
    series.minUs.push(spread?.min ?? null);
    series.p50Us.push(spread?.p50 ?? null);
    series.p95Us.push(spread?.p95 ?? null);
    series.maxUs.push(spread?.max ?? null);
    series.up.push(shares.up);
    series.degraded.push(shares.degraded);
    series.down.push(shares.down);
  }
  series.gaps = gapsOf(world, actor, fromMs, last)
    .map((gap) => ({ fromMs: Math.max(gap.fromMs, fromMs), toMs: Math.min(gap.toMs ?? last, last), reason: gap.reason }))
    .sort((a, b) => a.fromMs - b.fromMs);
  series.outages = actor.spans
    .filter((span) => span.state === "down" && span.fromMs < last && (span.toMs ?? nowMs) > fromMs)
    .map((span) => ({ fromMs: span.fromMs, toMs: span.toMs ?? last, incident: incidentId(actor, span.fromMs) }));
  return series;
}

const PHASES: { [kind: string]: [string, number][] } = {
  http: [["phase_name", 0.08], ["phase_connect", 0.2], ["phase_tls", 0.34], ["phase_first_byte", 0.38]],
  tcp: [["phase_name", 0.3], ["phase_connect", 0.7]],
  dns: [["phase_first_byte", 1]],
};

export function partsOf(world: World, actor: Actor, fromMs: number, toMs: number, buckets: number, nowMs: number): Parts {
  const series = seriesOf(world, actor, Math.max(fromMs, nowMs - RAW_KEPT_MS), toMs, buckets, nowMs);
  const keptFromMs = fromMs < nowMs - RAW_KEPT_MS ? nowMs - RAW_KEPT_MS : null;
  const shape = PHASES[actor.kind];
  if (shape) {
    const lines = shape.map(([key, share], line) => ({
      key, unit: "micros" as const, stacked: true,
      values: series.p50Us.map((p50, index) =>
        p50 === null ? null : Math.round(p50 * share * (0.85 + 0.3 * at(actor.seed, 23, line, index))),
      ),
    }));
    return { id: actor.id, startMs: series.startMs, bucketMs: series.bucketMs, lines, keptFromMs };
  }
  const loss = series.startMs.map((start, index) => {
    const checks = series.checks[index] ?? 0;
    if (checks === 0) return null;
    const span = spanAt(actor, start + series.bucketMs / 2);
    if (span?.loss) return span.loss;
    return at(actor.seed, 29, Math.round(start / SECOND)) > 0.97 ? 1 / (3 * checks) : 0;
  });
  const jitter = series.p50Us.map((p50, index) => (p50 === null ? null : Math.round(p50 * actor.spread * (0.5 + at(actor.seed, 31, index)))));
  return {
    id: actor.id, startMs: series.startMs, bucketMs: series.bucketMs, keptFromMs,
    lines: [
      { key: "loss", unit: "share", stacked: false, values: loss },
      { key: "jitter", unit: "micros", stacked: false, values: jitter },
    ],
  };
}

function count(key: string, number: number): Fact {
  return { key, unit: "count", number, text: null };
}

function text(key: string, value: string): Fact {
  return { key, unit: "text", number: null, text: value };
}

export function certificateDays(actor: Actor, nowMs: number): number | null {
  if (!actor.target.startsWith("https:")) return null;
  return 90 - (Math.floor(nowMs / DAY + (actor.seed % 90)) % 90);
}

function factsOf(actor: Actor, ms: number, verdict: Verdict, us: number): Fact[] {
  const good = verdict === "up" || verdict === "degraded";
  switch (actor.kind) {
    case "http": {
      if (!good) return [];
      const days = certificateDays(actor, ms);
      return [
        text("peer", "203.0.113.7:443"), count("http_status", 200),
        { key: "http_bytes", unit: "bytes", number: 18_400 + (actor.seed % 4000), text: null },
        text("http_content_type", "text/html; charset=utf-8"), text("http_version", "HTTP/2"),
        ...(days === null ? [] : [
          count("tls_days_left", days), text("tls_version", "TLS 1.3"), text("tls_issuer", "Example Root CA"),
          { key: "tls_expires", unit: "time" as const, number: Math.floor(ms / DAY + days) * DAY, text: null },
        ]),
      ];
    }
    case "ping": {
      const received = Math.round(3 * (1 - (spanAt(actor, ms)?.loss ?? 0)));
      const micros = (key: string, number: number): Fact => ({ key, unit: "micros", number: Math.round(number), text: null });
      return [
        count("ping_sent", 3), count("ping_received", received),
        ...(received > 0 ? [micros("ping_min_us", us * 0.9), micros("ping_avg_us", us), micros("ping_max_us", us * 1.2)] : []),
        text("ping_method", "datagram"),
      ];
    }
    case "dns":
      return good
        ? [text("dns_rcode", "NOERROR"), count("dns_answer_count", 1), text("dns_answers", "192.168.1.20"),
          { key: "dns_ttl_s", unit: "seconds", number: 300, text: null }]
        : [];
    default:
      return good ? [text("peer", "203.0.113.9:993")] : [];
  }
}

export function resultAt(world: World, actor: Actor, ms: number): CheckResult | null {
  if (gapAt(world, actor, ms)) return null;
  const span = spanAt(actor, ms);
  const verdict: Verdict = span?.state ?? "up";
  const timedOut = span?.state === "down" && span.failure === "timeout";
  const durationUs = timedOut ? actor.timeoutMs * 1000 : latencyUs(actor, ms);
  const shape = new Map(PHASES[actor.kind] ?? []);
  const phase = (key: string) => {
    const share = shape.get(key);
    return share === undefined || verdict === "down" ? null : Math.round(durationUs * share);
  };
  return {
    monitor: actor.id, timeMs: ms, verdict, durationUs,
    failure: span?.failure ?? null, message: span?.message ?? "",
    phases: {
      nameUs: phase("phase_name"), connectUs: phase("phase_connect"), tlsUs: phase("phase_tls"),
      firstByteUs: phase("phase_first_byte"), totalUs: durationUs,
    },
    facts: factsOf(actor, ms, verdict, durationUs),
  };
}

export function resultsOf(world: World, actor: Actor, limit: number, after: ResultCursor | null, nowMs: number) {
  const results: CheckResult[] = [];
  let ms = after ? Number(after.timeUs) / 1000 - actor.intervalMs : lastCheck(actor, nowMs);
  const oldest = Math.max(actor.firstSeenMs, nowMs - RAW_KEPT_MS);
  while (ms >= oldest && results.length < limit && !actor.pending) {
    const result = resultAt(world, actor, ms);
    if (result) results.push(result);
    ms -= actor.intervalMs;
  }
  const last = results.at(-1);
  const next = last && ms >= oldest ? { timeUs: String(last.timeMs * 1000), monitor: actor.id } : null;
  return { results, next };
}

export function incidentId(actor: Actor, fromMs: number): string {
  return `${actor.id}:${fromMs}`;
}

export function incidentsOf(actors: Actor[], fromMs: number, toMs: number, nowMs: number): Incident[] {
  const found = actors.flatMap((actor) =>
    actor.spans
      .filter((span) => span.state === "down" && span.fromMs < toMs && (span.toMs ?? nowMs) > fromMs)
      .map((span): Incident => ({
        id: incidentId(actor, span.fromMs), monitor: actor.id, monitorName: actor.name,
        openedMs: span.fromMs, confirmedMs: span.fromMs + 2 * actor.intervalMs,
        endedMs: span.toMs, endUnknown: span.toMs !== null && at(actor.seed, 37, Math.round(span.fromMs / SECOND)) > 0.95,
        failure: span.failure, message: span.message, acknowledged: null,
      })),
  );
  return found.sort((a, b) => b.openedMs - a.openedMs);
}

export function pageOf(world: World, actor: Actor, nowMs: number): Omit<MonitorPage, "source"> {
  const tiles = WINDOWS.map((window): UptimeTile => {
    const fromMs = Math.max(nowMs - WINDOW_MS[window], actor.firstSeenMs);
    const shares = sharesOf(world, actor, fromMs, nowMs);
    return {
      window, uptime: uptimeOf(shares), coverage: shares.observed,
      sinceMs: actor.firstSeenMs > nowMs - WINDOW_MS[window] ? actor.firstSeenMs : null,
    };
  });
  const checked = lastCheck(actor, nowMs);
  const result = actor.pending ? null : resultAt(world, actor, checked);
  return {
    id: actor.id, failureThreshold: 3, recoveryThreshold: 2, tiles, facts: result?.facts ?? [],
    firstSeenMs: actor.pending ? null : actor.firstSeenMs,
  };
}

