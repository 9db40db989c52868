// Names and hints of fields: the catalogue's where it has them, else made from what the core says.
import { maybe, t } from "../i18n";
import type { DraftValue, FieldSpec, MonitorDraft } from "../ipc/bindings";
import { inheritedOf, type OwnedField } from "./draft";
import { wordsOfKey } from "./words";

export const labelOf = ({ owner, spec }: OwnedField): string => maybe(`field_${owner}_${spec.key}_label`) ?? wordsOfKey(spec.key);

export const hintOf = ({ owner, spec }: OwnedField): string => maybe(`field_${owner}_${spec.key}_hint`) ?? spec.doc;

/** A kind where it stands for itself, not in the middle of a line. */
export const kindTitle = (kind: string): string => maybe(`kind_${kind}_title`) ?? wordsOfKey(kind);

/** "30s · default": what holds while the field is empty. */
export function placeholderOf(draft: MonitorDraft, { spec }: OwnedField): string | null {
  const inherited = inheritedOf(draft, spec);
  if (!inherited) return null;
  const { value } = inherited;
  return inherited.from === "group" ? t("form_from_group", { value }) : t("form_from_default", { value });
}

/** What a word to choose is called: the two of a toggle have names. */
export function choiceLabel(spec: FieldSpec, word: string): string {
  if (spec.kind.type !== "toggle") return word;
  return word === "true" ? t("form_on") : word === "false" ? t("form_off") : word;
}

/** Errors come without a subject: "is required", "must be …". */
export const asSentence = (what: string): string => what.charAt(0).toLocaleUpperCase() + what.slice(1) + (/[.!?]$/.test(what) ? "" : ".");

export const textOf = (value: DraftValue): string => (typeof value === "string" ? value : "");

/** Splits at backticks: every second piece is code. */
export const codePieces = (text: string): string[] => text.split("`");
