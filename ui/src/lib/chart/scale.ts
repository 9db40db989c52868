// Where the ticks of an axis go: round numbers for lengths of time, round local times for the time axis.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** The smallest of 1, 2, 2.5 and 5 times a power of ten that is not below `atLeast`. */
export function niceStep(atLeast: number): number {
  if (!(atLeast > 0) || !Number.isFinite(atLeast)) return 1;
  const power = 10 ** Math.floor(Math.log10(atLeast));
  const factor = [1, 2, 2.5, 5, 10].find((candidate) => candidate * power >= atLeast * (1 - 1e-9)) ?? 10;
  return factor * power;
}

export type ValueAxis = { ticks: number[]; top: number };

/**
 * Ticks from zero to just above `max`, at most `most` steps of them. The top of the axis leaves a little air, so that
 * the highest value does not touch the frame.
 */
export function valueAxis(max: number, most: number, smallest = 1): ValueAxis {
  const reach = Math.max(Number.isFinite(max) ? max * 1.06 : 0, smallest);
  // A scale needs two ticks to be read.
  const step = niceStep(reach / Math.max(2, most));
  const ticks: number[] = [];
  for (let at = 0; at <= Math.floor(reach / step + 1e-9); at += 1) ticks.push(at * step);
  return { ticks, top: Math.max(reach, step) };
}

/** How far apart the ticks of a time axis are. */
export type TimeUnit = "second" | "minute" | "hour" | "day" | "month" | "year";
type TimeStep = { unit: TimeUnit; every: number; about: number };

const TIME_STEPS: readonly TimeStep[] = [
  ...[1, 5, 15, 30].map((every): TimeStep => ({ unit: "second", every, about: every * SECOND })),
  ...[1, 2, 5, 10, 15, 30].map((every): TimeStep => ({ unit: "minute", every, about: every * MINUTE })),
  ...[1, 2, 3, 4, 6, 12].map((every): TimeStep => ({ unit: "hour", every, about: every * HOUR })),
  ...[1, 2, 5, 7, 14].map((every): TimeStep => ({ unit: "day", every, about: every * DAY })),
  ...[1, 2, 3, 6].map((every): TimeStep => ({ unit: "month", every, about: every * 30.44 * DAY })),
  ...[1, 2, 5, 10].map((every): TimeStep => ({ unit: "year", every, about: every * 365.25 * DAY })),
];

/** The finest step that gives at most `most` ticks. */
export function timeStep(spanMs: number, most: number): { unit: TimeUnit; every: number } {
  const coarsest = TIME_STEPS[TIME_STEPS.length - 1] as TimeStep;
  const { unit, every } = TIME_STEPS.find((step) => spanMs / step.about <= Math.max(1, most)) ?? coarsest;
  return { unit, every };
}

export type TimeTick = {
  ms: number;
  /** What of it is worth saying: the date where a day starts, the year where a year starts. */
  says: "seconds" | "time" | "date" | "month" | "year";
};

/** Round local times within the span. Counted on the local calendar, so that they stay round when clocks change. */
export function timeTicks(fromMs: number, toMs: number, most: number): TimeTick[] {
  if (!(toMs > fromMs)) return [];
  const { unit, every } = timeStep(toMs - fromMs, most);
  const ticks: TimeTick[] = [];
  const start = new Date(fromMs);
  for (let n = 0; ; n += 1) {
    const ms = roundLocal(start, unit, every, n);
    if (ms > toMs) return ticks;
    if (ms >= fromMs && ms !== ticks.at(-1)?.ms) ticks.push({ ms, says: saysOf(ms, unit) });
  }
}

/** The n-th round time of the unit, counted from the last one that is not after `start`. */
function roundLocal(start: Date, unit: TimeUnit, every: number, n: number): number {
  const [year, month, date] = [start.getFullYear(), start.getMonth(), start.getDate()];
  const down = (value: number): number => Math.floor(value / every) * every + n * every;
  switch (unit) {
    case "second":
      return new Date(start).setSeconds(down(start.getSeconds()), 0);
    case "minute":
      return new Date(start).setMinutes(down(start.getMinutes()), 0, 0);
    case "hour":
      return new Date(year, month, date, down(start.getHours())).getTime();
    case "day":
      return new Date(year, month, date + n * every).getTime();
    case "month":
      return new Date(year, down(month), 1).getTime();
    case "year":
      return new Date(down(year), 0, 1).getTime();
  }
}

function saysOf(ms: number, unit: TimeUnit): TimeTick["says"] {
  const at = new Date(ms);
  if (unit === "year") return "year";
  if (unit === "month") return at.getMonth() === 0 ? "year" : "month";
  if (unit === "day") return "date";
  if (at.getHours() === 0 && at.getMinutes() === 0 && at.getSeconds() === 0) return "date";
  return unit === "second" ? "seconds" : "time";
}
