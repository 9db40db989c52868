// The form of a backend, without any knowledge of one: what is shown, what is sent, what changed.
import { language } from "../../lib/locale.svelte";
import { wordsOfKey } from "../../lib/form/words";
import type { SecretWish, StorageCard, StorageDraft, StorageField, StorageForm, StoragePart, Words } from "../../lib/ipc/bindings";

export type Values = { readonly [key: string]: string };
export type Wishes = { readonly [key: string]: SecretWish };

export const PARTS: readonly StoragePart[] = ["connection", "timing", "replicas", "advanced"];

/** A text of the core in the language of the window. */
export const spoken = (words: Words): string => words[language()];

export const labelOf = (field: StorageField): string => (field.label ? spoken(field.label) : wordsOfKey(field.spec.key));

/** Words of its own, else its documentation; none where what it is called says enough. */
export function hintOf(field: StorageField): string | null {
  if (field.hint) return spoken(field.hint);
  return field.label ? null : field.spec.doc;
}

export const isSecret = (field: StorageField): boolean => field.spec.kind.type === "secret";

/** Whether a field has a meaning with the values of the others. */
export function isShown(card: StorageCard, field: StorageField, values: Values): boolean {
  const on = field.shownWith;
  if (!on) return true;
  const other = card.fields.find((each) => each.spec.key === on.key);
  const value = (values[on.key] || other?.spec.default || "").trim();
  if (on.oneOf.length > 0 && !on.oneOf.includes(value)) return false;
  return value.toLowerCase().startsWith(on.begins.toLowerCase());
}

/** What is sent: a field that is not shown has no value. */
export function formOf(card: StorageCard, draft: StorageDraft, values: Values, secrets: Wishes, base: string, place: string | null): StorageForm {
  const open = card.fields.filter((field) => !isSecret(field));
  const sent = open.map((field) => [field.spec.key, isShown(card, field, values) ? values[field.spec.key] || null : null] as const);
  return { backend: draft.backend, values: Object.fromEntries(sent), secrets: { ...secrets }, base, place };
}

export type Change = { field: StorageField; to: string | null } | { field: StorageField; secret: "new" | "gone" };

/** What the file says afterwards that it does not say now. */
export function changesOf(card: StorageCard, draft: StorageDraft, values: Values, secrets: Wishes): Change[] {
  return card.fields.flatMap((field): Change[] => {
    const key = field.spec.key;
    if (isSecret(field)) {
      const wish = secrets[key];
      if (!wish || wish.is === "same") return [];
      return [{ field, secret: wish.is === "unset" ? "gone" : "new" }];
    }
    const before = draft.values[key] ?? "";
    const after = isShown(card, field, values) ? (values[key] ?? "") : "";
    return before === after ? [] : [{ field, to: after === "" ? null : after }];
  });
}

/** An address with a scheme, as people copy one from elsewhere. */
export const looksLikeAddress = (text: string): boolean => /^(jdbc:)?[a-z][a-z0-9+.-]*:\/\//i.test(text.trim());
