// The core's own words, for people.
import type { BoardRow } from "./ipc/bindings";
import { maybe, t } from "./i18n";
import { wholePercent } from "./format";
import { language } from "./locale.svelte";

export function kindName(kind: string): string {
  return maybe(`kind_${kind}`) ?? kind;
}

/** A name of nothing but spaces would be nothing to click on. */
export function nameOf(row: BoardRow): string {
  return row.name.trim() || row.target;
}

/** Why a monitor is not simply up, short enough for a cell of a table. */
export function shortReason(row: BoardRow): string {
  if (row.loss !== null && row.loss > 0 && row.state === "degraded") return t("loss", { share: wholePercent(row.loss) });
  if (row.failure) return t(`failure_${row.failure}`);
  return t(`state_${row.state}`);
}

/** The same with more words: the core's own message, which is English, else the name of the failure. */
export function reasonOf(row: BoardRow): string {
  return (language() === "en" && row.message) || shortReason(row);
}

export function capitalised(text: string): string {
  return text.charAt(0).toLocaleUpperCase() + text.slice(1);
}
