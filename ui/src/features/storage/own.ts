// Monitors with times of their own: texts as they stand in the file, by id and tier.
import { list } from "../../lib/format";
import { maybe, t } from "../../lib/i18n";
import type { KeptTier, OwnTimes } from "../../lib/ipc/bindings";

import { daysOf, saidDays } from "./retention";

export type OwnTexts = { readonly [id: string]: { readonly [tier: string]: string } };

export const tierName = (key: string): string => maybe(`kept_${key}`) ?? key;

export const ownTexts = (own: readonly OwnTimes[]): OwnTexts =>
  Object.fromEntries(own.map(({ id, values }) => [id, Object.fromEntries(Object.entries(values).map(([tier, text]) => [tier, text ?? ""]))]));

/** "Every result 90 days, Hour figures for ever". */
export function saidTimes(tiers: readonly KeptTier[], texts: { readonly [tier: string]: string }): string {
  const set = tiers.filter((tier) => (texts[tier.key] ?? "") !== "");
  return set.length === 0 ? t("own_nothing_yet") : list(set.map((tier) => `${tierName(tier.key)}: ${saidDays(daysOf(texts[tier.key] ?? ""))}`));
}

/** Those whose name has a text in it, in the order in which people look for them. */
export function matching<Named extends { name: string }>(named: readonly Named[], text: string): Named[] {
  const wanted = text.trim().toLocaleLowerCase();
  const found = wanted === "" ? [...named] : named.filter((one) => one.name.toLocaleLowerCase().includes(wanted));
  return found.sort((a, b) => a.name.localeCompare(b.name));
}

/** What is to change: of each monitor whose texts differ, all tiers; none for as all others. */
export function ownChanges(tiers: readonly KeptTier[], before: OwnTexts, after: OwnTexts): { [id: string]: { [tier: string]: string | null } } {
  const text = (of: OwnTexts, id: string, tier: string): string => (of[id]?.[tier] ?? "").trim();
  const ids = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const changed = ids.filter((id) => tiers.some(({ key }) => text(before, id, key) !== text(after, id, key)));
  return Object.fromEntries(changed.map((id) => [id, Object.fromEntries(tiers.map(({ key }) => [key, text(after, id, key) || null]))]));
}
