// What a monitor is, as one sentence.
import { dateTime, duration } from "../../lib/format";
import { maybe, t } from "../../lib/i18n";
import type { BoardRow } from "../../lib/ipc/bindings";

/** Names have no longest length; a sentence has. */
const NAME_MOST = 72;

/** A name inside a sentence: another script does not turn the sentence around, and no length hides the rest of it. */
export function isolated(name: string): string {
  const letters = [...name];
  return `\u2068${letters.length > NAME_MOST ? `${letters.slice(0, NAME_MOST - 1).join("")}…` : name}\u2069`;
}

/** The reason of the last check in words: the core's own, else the kind of failure. */
export function reasonOf(row: Pick<BoardRow, "message" | "failure">): string | null {
  if (row.message !== "") return row.message;
  return row.failure === null ? null : maybe(`failure_${row.failure}`);
}

export function sentenceOf(row: BoardRow, nowMs: number): string {
  const name = isolated(row.name);
  const time = row.sinceMs === null ? null : duration(nowMs - row.sinceMs);
  switch (row.state) {
    case "up":
      return time === null ? t("is_up", { name }) : t("is_up_for", { name, time });
    case "degraded":
    case "down":
      return because(time === null ? t(`is_${row.state}`, { name }) : t(`is_${row.state}_for`, { name, time }), reasonOf(row));
    case "pending":
      return because(t("is_pending", { name }), reasonOf(row));
    case "paused":
      return row.pausedUntilMs === null ? t("is_paused", { name }) : t("is_paused_until", { name, time: dateTime(row.pausedUntilMs) });
    case "maintenance":
      return t("is_maintenance", { name });
    case "unobserved": {
      const what = time === null ? t("is_unobserved", { name }) : t("is_unobserved_for", { name, time });
      return because(what, row.gap === null ? reasonOf(row) : maybe(`gap_because_${row.gap}`));
    }
  }
}

const because = (what: string, reason: string | null): string => (reason === null ? what : t("because", { what, reason }));
