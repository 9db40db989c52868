// The draft of a monitor while it is edited: what is set, what changed, what is wrong with which field.
import type { DraftValue, FieldError, FieldSpec, FormSpec, MonitorDraft } from "../ipc/bindings";

/** The fields of a kind in the order of the form; `owner` is part of their message keys. */
export type OwnedField = { owner: string; spec: FieldSpec };

export function fieldsOf(form: FormSpec, kind: string): OwnedField[] {
  const own = form.kinds.find((candidate) => candidate.id === kind)?.fields ?? [];
  return [
    ...form.common.map((spec) => ({ owner: "monitor", spec })),
    ...own.map((spec) => ({ owner: kind, spec })),
  ];
}

/** An empty text is a field that is not set: what is inherited holds. */
export function set(draft: MonitorDraft, key: string, value: DraftValue): MonitorDraft {
  const values = { ...draft.values, [key]: value === "" ? null : value };
  return { ...draft, values };
}

/** Takes over what is set in fields that the other kind has too; the rest does not belong there. */
export function carryOver(form: FormSpec, from: MonitorDraft, to: MonitorDraft): MonitorDraft {
  const keys = new Set(fieldsOf(form, to.kind).map((field) => field.spec.key));
  const carried = Object.entries(from.values).filter(([key, value]) => keys.has(key) && value !== null);
  return { ...to, id: from.id, group: from.group, base: from.base, values: { ...to.values, ...Object.fromEntries(carried) } };
}

export function isDirty(saved: MonitorDraft, draft: MonitorDraft): boolean {
  if (saved.kind !== draft.kind || saved.group !== draft.group) return true;
  const keys = new Set([...Object.keys(saved.values), ...Object.keys(draft.values)]);
  return [...keys].some((key) => !isSameValue(saved.values[key] ?? null, draft.values[key] ?? null));
}

function isSameValue(a: DraftValue, b: DraftValue): boolean {
  if (a === null || b === null || typeof a === "string" || typeof b === "string") return a === b;
  const [left, right] = [Object.entries(a), Object.entries(b)];
  return left.length === right.length && left.every(([key, value], at) => right[at]?.[0] === key && right[at]?.[1] === value);
}

/** Errors by key; several of one field are one message. */
export function errorsByKey(errors: readonly FieldError[]): { [key: string]: string } {
  const byKey: { [key: string]: string } = {};
  for (const { key, what } of errors) byKey[key] = byKey[key] === undefined ? what : `${byKey[key]} ${what}`;
  return byKey;
}

/** Where the focus goes after a refusal: the first field of the form with an error. */
export function firstError(order: readonly string[], errors: { [key: string]: string }): string | null {
  return order.find((key) => errors[key] !== undefined) ?? null;
}

/** Errors of no field of this form, which are said above it. */
export function strayErrors(order: readonly string[], errors: { [key: string]: string }): string[] {
  return Object.entries(errors).flatMap(([key, what]) => (order.includes(key) ? [] : [what]));
}

/** What holds where nothing is set, and where that comes from. */
export function inheritedOf(draft: MonitorDraft, spec: FieldSpec): { value: string; from: "group" | "default" } | null {
  const inherited = draft.inherited[spec.key];
  if (inherited) return inherited;
  return spec.default === null ? null : { value: spec.default, from: "default" };
}

/** A value that stands for something kept elsewhere, such as `${secret:NAME}`. */
export const isReference = (value: string): boolean => /^\$\{[^{}]+\}$/.test(value.trim());
