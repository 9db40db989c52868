// The one sentence that answers "is everything fine?", and the line below it.
import type { BoardRow, Figures, State, Summary } from "../../lib/ipc/bindings";
import { dayName, duration } from "../../lib/format";
import { t } from "../../lib/i18n";
import { capitalised, reasonOf } from "../../lib/words";

/** `detail` may hold one important part, see `partsOf`. */
export type Sentence = { state: State; text: string; detail: string | null };

// What is important in a message is marked by characters that no message holds, as each language puts it elsewhere.
const OPENS = "\u0002";
const SHUTS = "\u0003";

function strong(text: string): string {
  return `${OPENS}${text}${SHUTS}`;
}

export function partsOf(detail: string): { text: string; strong: boolean }[] {
  return detail
    .split(/(\u0002[^\u0003]*\u0003)/)
    .filter((part) => part !== "")
    .map((part) => (part.startsWith(OPENS) ? { text: part.slice(1, -1), strong: true } : { text: part, strong: false }));
}

function lasting(sinceMs: number, nowMs: number): string {
  return strong(duration(nowMs - sinceMs));
}

function earliest(rows: readonly BoardRow[]): BoardRow | undefined {
  return rows.reduce<BoardRow | undefined>(
    (first, row) => (!first || (row.sinceMs ?? Infinity) < (first.sinceMs ?? Infinity) ? row : first),
    undefined,
  );
}

function ofRows(state: "down" | "degraded", bad: readonly BoardRow[], summary: Summary, nowMs: number): Sentence {
  const { up, monitors } = summary.counts;
  const [only] = bad;
  const rest = t("sentence_rest", { up, count: monitors });
  if (bad.length === 1 && only) {
    return {
      state,
      text: [t(`sentence_one_${state}`, { name: only.name }), ...(monitors > 1 ? [rest] : [])].join(" "),
      detail:
        only.sinceMs === null
          ? capitalised(reasonOf(only))
          : t("reason_for", { reason: capitalised(reasonOf(only)), time: lasting(only.sinceMs, nowMs) }),
    };
  }
  const first = earliest(bad);
  return {
    state,
    text: `${t(`sentence_${state}`, { count: bad.length })} ${rest}`,
    detail:
      first && first.sinceMs !== null
        ? t("first_bad_for", { name: first.name, reason: reasonOf(first), time: lasting(first.sinceMs, nowMs) })
        : null,
  };
}

function quiet(figures: Figures | null, rows: readonly BoardRow[], nowMs: number): Sentence["detail"] {
  if (figures?.quietSinceMs) {
    return t("quiet_for", { time: lasting(figures.quietSinceMs, nowMs), day: dayName(figures.quietSinceMs, nowMs) });
  }
  const first = earliest(rows);
  return first?.sinceMs ? t("up_for", { time: lasting(first.sinceMs, nowMs) }) : null;
}

export function sentenceOf(summary: Summary, rows: readonly BoardRow[], figures: Figures | null, nowMs: number): Sentence {
  const { counts, gap } = summary;
  if (counts.monitors === 0) return { state: "pending", text: t("sentence_empty"), detail: t("sentence_empty_detail") };
  if (counts.paused === counts.monitors) {
    const until = rows.every((row) => row.pausedUntilMs !== null) ? Math.max(...rows.map((row) => row.pausedUntilMs ?? 0)) : null;
    return {
      state: "paused",
      text: t("sentence_all_paused"),
      detail: until === null ? t("until_resumed") : t("goes_on_in", { time: strong(duration(until - nowMs)) }),
    };
  }
  if (gap) {
    const text = gap.reason === "offline" ? t("sentence_offline") : gap.reason === "asleep" ? t("sentence_asleep") : t("sentence_gap", { why: t(`gap_${gap.reason}`) });
    return { state: "unobserved", text, detail: t("not_counted_for", { time: lasting(gap.sinceMs, nowMs) }) };
  }
  const having = (state: State) => rows.filter((row) => row.state === state);
  if (counts.down > 0) return ofRows("down", having("down"), summary, nowMs);
  if (counts.degraded > 0) return ofRows("degraded", having("degraded"), summary, nowMs);
  if (counts.up === 0 && counts.pending > 0) {
    return { state: "pending", text: t("sentence_pending", { count: counts.pending }), detail: t("sentence_pending_detail") };
  }
  if (counts.up === counts.monitors) {
    return { state: "up", text: t("sentence_all_up", { count: counts.up }), detail: quiet(figures, rows, nowMs) };
  }
  if (counts.up === 0) {
    const state = counts.unobserved > 0 ? "unobserved" : counts.maintenance > 0 ? "maintenance" : "paused";
    return { state, text: t("sentence_none_watched"), detail: others(summary) };
  }
  return { state: "up", text: t("sentence_watched_up", { count: counts.up }), detail: others(summary) };
}

/** "1 paused · 2 not observed": those that are neither up nor bad. */
function others(summary: Summary): string {
  const states = ["pending", "unobserved", "maintenance", "paused"] as const;
  return states
    .filter((state) => summary.counts[state] > 0)
    .map((state) => t(`count_${state}`, { count: summary.counts[state] }))
    .join(" · ");
}
