// What stands at the ticks of an axis.
import { date, number, time, timeSeconds } from "../format";
import { localeTag } from "../locale.svelte";
import type { TimeTick } from "./scale";

const NBSP = "\u00a0";

/** A tick of the time axis, in local time. */
export function tickLabel(tick: TimeTick): string {
  switch (tick.says) {
    case "seconds": return timeSeconds(tick.ms);
    case "time": return time(tick.ms);
    case "date": return date(tick.ms);
    case "month": return new Intl.DateTimeFormat(localeTag(), { month: "short" }).format(tick.ms);
    case "year": return String(new Date(tick.ms).getFullYear());
  }
}

/** "Mon 23 Nov"; with the year where it is not this one. */
export function dayLabel(ms: number): string {
  const year = new Date(ms).getFullYear() === new Date().getFullYear() ? {} : ({ year: "numeric" } as const);
  return new Intl.DateTimeFormat(localeTag(), { weekday: "short", day: "numeric", month: "short", ...year }).format(ms);
}

/** A tick of an axis of answer times. All of an axis in the unit of its top, exactly: rounded ticks would not be even. */
export function answerTick(us: number, topUs: number): string {
  if (topUs < 1000) return `${number(us, 2)}${NBSP}µs`;
  if (topUs < 1_000_000) return `${number(us / 1000, 2)}${NBSP}ms`;
  return `${number(us / 1_000_000, 2)}${NBSP}s`;
}

/** "Europe/Berlin, UTC+1": the zone that the time axis is in. */
export function zoneName(ms: number): string {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const minutes = -new Date(ms).getTimezoneOffset();
  const rest = Math.abs(minutes) % 60;
  const offset = `${minutes < 0 ? "−" : "+"}${Math.floor(Math.abs(minutes) / 60)}${rest === 0 ? "" : `:${String(rest).padStart(2, "0")}`}`;
  return zone === "UTC" ? "UTC" : `${zone}, UTC${offset}`;
}
