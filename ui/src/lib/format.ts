// How numbers, lengths of time and dates are written. Everything that a person reads goes through here.
import { t } from "./i18n";
import { language, localeTag } from "./locale.svelte";

const NBSP = "\u00a0";
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** One `Intl` object for each locale and shape: making them is what costs. */
const made = new Map<string, Intl.NumberFormat | Intl.DateTimeFormat>();

function numberFormat(digits: number): Intl.NumberFormat {
  const key = `n ${localeTag()} ${digits}`;
  let format = made.get(key) as Intl.NumberFormat | undefined;
  if (!format) made.set(key, (format = new Intl.NumberFormat(localeTag(), { maximumFractionDigits: digits })));
  return format;
}

function dateFormat(name: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `d ${localeTag()} ${name}`;
  let format = made.get(key) as Intl.DateTimeFormat | undefined;
  if (!format) made.set(key, (format = new Intl.DateTimeFormat(localeTag(), options)));
  return format;
}

export function number(value: number, digits = 0): string {
  return numberFormat(digits).format(value);
}

/** 0.9998 is "99.98 %". Never rounds up to 100: a hundred means every observed moment. */
export function percent(ratio: number | null, digits = 2): string {
  if (ratio === null) return "–";
  const scale = 10 ** digits;
  const share = ratio >= 1 ? 100 : Math.floor(ratio * 100 * scale + 1e-6) / scale;
  return `${number(Math.min(100, share), digits)}${NBSP}%`;
}

/** "97 %", of coverage and loss. */
export function wholePercent(ratio: number | null): string {
  return percent(ratio, 0);
}

const UNITS = [
  ["unit_day", DAY],
  ["unit_hour", HOUR],
  ["unit_minute", MINUTE],
  ["unit_second", SECOND],
] as const;

/** "12 d 4 h", "4 min 10 s", "0.4 s": at most `parts` units, never two that are far apart. */
export function duration(ms: number, parts = 2): string {
  const length = Math.max(0, ms);
  if (length < 10 * SECOND) {
    return `${number(Math.floor(length / 100) / 10, 1)}${NBSP}${t("unit_second")}`;
  }
  let rest = Math.floor(length / SECOND) * SECOND;
  const first = UNITS.findIndex(([, size]) => rest >= size);
  const words: string[] = [];
  for (const [unit, size] of UNITS.slice(first, first + parts)) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) words.push(`${number(count)}${NBSP}${t(unit)}`);
  }
  return words.join(" ");
}

/** "4 min ago", one unit. */
export function ago(ms: number): string {
  return t("ago", { time: duration(ms, 1) });
}

/** The answer time of a check, from microseconds: "80 µs", "0.4 ms", "41 ms", "1.2 s". */
export function answer(us: number | null): string {
  if (us === null) return "–";
  if (us < 100) return `${number(us)}${NBSP}µs`;
  if (us < 10_000) return `${number(us / 1000, 1)}${NBSP}ms`;
  if (us < 999_500) return `${number(us / 1000)}${NBSP}ms`;
  if (us < 9_950_000) return `${number(us / 1_000_000, 1)}${NBSP}s`;
  return `${number(us / 1_000_000)}${NBSP}s`;
}

/** "18.4 kB". */
export function bytes(count: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let size = count;
  let unit = 0;
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${number(size, unit > 0 && size < 100 ? 1 : 0)}${NBSP}${units[unit]}`;
}

/** "14:06". */
export function time(ms: number): string {
  return dateFormat("time", { hour: "2-digit", minute: "2-digit" }).format(ms);
}

/** "14:06:12". */
export function timeSeconds(ms: number): string {
  return dateFormat("seconds", { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(ms);
}

/** "26 Aug". */
export function date(ms: number): string {
  return dateFormat("date", { day: "numeric", month: "short" }).format(ms);
}

/** "Mon, 23 Nov 2026". */
export function longDate(ms: number): string {
  return dateFormat("long", { weekday: "short", day: "numeric", month: "short", year: "numeric" }).format(ms);
}

/** "23 Nov, 14:06". */
export function dateTime(ms: number): string {
  return dateFormat("dateTime", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }).format(ms);
}

/** "23 Nov 2026, 14:06:12". */
export function exact(ms: number): string {
  return dateFormat("exact", {
    day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit",
  }).format(ms);
}

/** For titles: the same instant for everybody. */
export function utc(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** Local midnight of `2026-11-23`. */
export function dayStart(day: string): number {
  const [year = 1970, month = 1, date = 1] = day.split("-").map(Number);
  return new Date(year, month - 1, date).getTime();
}

/** `2026-11-23` of the local zone. */
export function dayOf(ms: number): string {
  const at = new Date(ms);
  const two = (part: number) => String(part).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

/** "today", "yesterday", else "Mon, 23 Nov 2026". */
export function dayName(ms: number, nowMs: number): string {
  const day = dayOf(ms);
  if (day === dayOf(nowMs)) return t("today");
  const yesterday = new Date(nowMs);
  yesterday.setDate(yesterday.getDate() - 1);
  if (day === dayOf(yesterday.getTime())) return t("yesterday");
  return longDate(ms);
}

/** "a, b and c". */
export function list(words: string[]): string {
  return new Intl.ListFormat(language(), { type: "conjunction" }).format(words);
}
