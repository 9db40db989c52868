// Lengths of time on a slider: the usual ones, the last of them for ever.
import { t } from "../../lib/i18n";

/** Days; null for ever. */
export const STEPS: readonly (number | null)[] = [1, 3, 7, 14, 30, 60, 90, 180, 365, 730, 1825, null];

export const atStep = (step: number): number | null => STEPS[step] ?? null;

/** The step that is nearest to a length. */
export function stepOf(days: number | null): number {
  if (days === null) return STEPS.length - 1;
  let best = 0;
  STEPS.forEach((step, at) => {
    const to = (of: number | null | undefined): number => (of == null ? Number.POSITIVE_INFINITY : Math.abs(Math.log(of / days)));
    if (to(step) < to(STEPS[best])) best = at;
  });
  return best;
}

/** As it stands in the file. */
export const writtenOf = (days: number | null): string => (days === null ? "forever" : `${days}d`);

/** What a text of the file means, as far as the slider needs it: whole days, weeks or years are the core's to judge. */
export function daysOf(text: string): number | null {
  const word = text.trim().toLowerCase();
  if (word === "forever") return null;
  const match = /^(\d+)(d|h)$/.exec(word);
  if (!match) return 1;
  return Math.max(1, match[2] === "h" ? Math.round(Number(match[1]) / 24) : Number(match[1]));
}

/** "30 days", "for ever". */
export const saidDays = (days: number | null): string => (days === null ? t("kept_forever") : t("kept_days_of", { count: days }));
