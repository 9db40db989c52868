// The world of the fake core: monitors with spans of trouble and gaps, from which every answer is derived, so that
// board, series, results and days agree with each other.
import type { Failure, GapReason, State } from "../bindings";
import { normalAt } from "./random";

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

export type Span = {
  fromMs: number;
  toMs: number | null;
  state: "degraded" | "down";
  failure: Failure;
  message: string;
  /** Packets lost while it lasts, for ping. */
  loss: number | null;
};

export type Gap = { fromMs: number; toMs: number | null; reason: GapReason };

export type Actor = {
  id: string;
  /** Where its own chance begins. */
  seed: number;
  name: string;
  group: string;
  kind: string;
  target: string;
  labels: { [key: string]: string };
  intervalMs: number;
  timeoutMs: number;
  firstSeenMs: number;
  /** Median answer time, and how wide it spreads. */
  baseUs: number;
  spread: number;
  /** Oldest first, never overlapping; only the last one may be open. */
  spans: Span[];
  gaps: Gap[];
  pausedUntilMs: number | null;
  /** Added a moment ago and not checked yet. */
  pending: boolean;
};

export type World = { actors: Actor[]; gaps: Gap[] };

export type Shares = { up: number; degraded: number; down: number; observed: number };

function overlap(of: { fromMs: number; toMs: number | null }, fromMs: number, toMs: number): number {
  return Math.max(0, Math.min(of.toMs ?? Infinity, toMs) - Math.max(of.fromMs, fromMs));
}

export function gapAt(world: World, actor: Actor, ms: number): Gap | null {
  const covers = (gap: Gap) => gap.fromMs <= ms && ms < (gap.toMs ?? Infinity);
  const own = actor.gaps.filter(covers);
  return own.find((gap) => gap.reason === "paused") ?? own[0] ?? world.gaps.find(covers) ?? null;
}

export function spanAt(actor: Actor, ms: number): Span | null {
  return actor.spans.find((span) => span.fromMs <= ms && ms < (span.toMs ?? Infinity)) ?? null;
}

export function stateAt(world: World, actor: Actor, ms: number): State {
  const gap = gapAt(world, actor, ms);
  if (gap) return gap.reason === "paused" ? "paused" : gap.reason === "maintenance" ? "maintenance" : "unobserved";
  if (actor.pending) return "pending";
  return spanAt(actor, ms)?.state ?? "up";
}

/** Gaps of a monitor within a window, its own and everybody's. */
export function gapsOf(world: World, actor: Actor, fromMs: number, toMs: number): Gap[] {
  const early: Gap[] =
    actor.firstSeenMs > fromMs ? [{ fromMs, toMs: Math.min(actor.firstSeenMs, toMs), reason: "not_running" }] : [];
  return [...early, ...[...world.gaps, ...actor.gaps].filter((gap) => overlap(gap, fromMs, toMs) > 0)];
}

/** How a stretch of time was spent, as shares of it. */
export function sharesOf(world: World, actor: Actor, fromMs: number, toMs: number): Shares {
  const length = toMs - fromMs;
  if (length <= 0) return { up: 0, degraded: 0, down: 0, observed: 0 };
  const gaps = gapsOf(world, actor, fromMs, toMs);
  let unseen = 0;
  for (const gap of gaps) unseen += overlap(gap, fromMs, toMs);
  let degraded = 0;
  let down = 0;
  for (const span of actor.spans) {
    let time = overlap(span, fromMs, toMs);
    if (time === 0) continue;
    for (const gap of gaps) {
      time -= overlap(gap, Math.max(span.fromMs, fromMs), Math.min(span.toMs ?? Infinity, toMs));
    }
    if (span.state === "down") down += Math.max(0, time);
    else degraded += Math.max(0, time);
  }
  const observed = Math.max(0, 1 - unseen / length);
  const bad = (degraded + down) / length;
  return { up: Math.max(0, observed - bad), degraded: degraded / length, down: down / length, observed };
}

/** The slow wave of the day and a drift that is the monitor's own. */
function level(actor: Actor, ms: number): number {
  const phase = (actor.seed % 100) / 100;
  const wave = Math.sin(2 * Math.PI * (ms / DAY + phase)) * 0.16;
  const drift = normalAt(actor.seed, 7, Math.floor(ms / (2 * HOUR))) * 0.07;
  const trouble = spanAt(actor, ms)?.state === "degraded" ? 0.9 : 0;
  return Math.log(actor.baseUs) + wave + drift + trouble;
}

/** The answer time of the check that starts at `ms`. */
export function latencyUs(actor: Actor, ms: number): number {
  const tail = normalAt(actor.seed, 11, Math.round(ms / SECOND)) * actor.spread;
  return Math.round(Math.exp(level(actor, ms) + tail));
}

/** The distribution of many answers around `ms`. */
export function spreadUs(actor: Actor, ms: number, checks: number): { min: number; p50: number; p95: number; max: number } {
  const middle = level(actor, ms) + (normalAt(actor.seed, 13, Math.round(ms / SECOND)) * actor.spread) / Math.sqrt(checks);
  const reach = actor.spread * (1.4 + Math.log10(checks + 1) * 0.7);
  const luck = Math.abs(normalAt(actor.seed, 17, Math.round(ms / SECOND))) * 0.25;
  return {
    min: Math.round(Math.exp(middle - reach)),
    p50: Math.round(Math.exp(middle)),
    p95: Math.round(Math.exp(middle + 1.645 * actor.spread)),
    max: Math.round(Math.exp(middle + Math.max(1.8 * actor.spread, reach * (1 + luck)))),
  };
}

export function lastCheck(actor: Actor, ms: number): number {
  const offset = actor.seed % actor.intervalMs;
  return Math.floor((ms - offset) / actor.intervalMs) * actor.intervalMs + offset;
}
