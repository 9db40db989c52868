// A draft on its way: read, edited, checked while somebody types, saved, and in conflict when the file changed meanwhile.
import type { DraftValue, FieldError, FormSpec, MonitorDraft, SaveOutcome } from "../ipc/bindings";
import type { Core } from "../ipc/client";
import { carryOver, errorsByKey, fieldsOf, isDirty, set, type OwnedField } from "./draft";

/** Checks wait until nobody typed for so long. */
const CHECK_AFTER_MS = 300;

export type Conflict = Extract<SaveOutcome, { outcome: "conflict" }>;

/** The fields as they stand in the form, in its order. */
export type Layout = { first: OwnedField[]; own: OwnedField[]; rest: OwnedField[] };

/** What must be given goes first; what takes much room goes last. */
function inReadingOrder(fields: readonly OwnedField[]): OwnedField[] {
  const place = ({ spec }: OwnedField): number => (spec.required ? 0 : spec.kind.type === "textMap" ? 2 : 1);
  return [...fields].sort((a, b) => place(a) - place(b));
}

export class DraftEditor {
  readonly form: FormSpec;
  readonly #core: Core;
  #saved = $state.raw() as MonitorDraft;
  #draft = $state.raw() as MonitorDraft;
  #errors = $state.raw<{ [key: string]: string }>({});
  /** Fields that were left: what is wrong with others is not said before somebody tries to save. */
  #left = $state.raw<ReadonlySet<string>>(new Set());
  /** Of fields whose text cannot even be put into a value, such as a name that stands there twice. */
  #faults = $state.raw<{ [key: string]: string }>({});
  #tried = $state(false);
  #conflict = $state.raw<Conflict | null>(null);
  /** Counts drafts that were put in place of another, so that fields with a state of their own start anew. */
  #generation = $state(0);
  #checks = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(core: Core, form: FormSpec, draft: MonitorDraft) {
    [this.#core, this.form] = [core, form];
    const group = draft.id === null && draft.group === "" ? (form.groups[0] ?? "") : draft.group;
    this.#saved = this.#draft = { ...draft, group };
  }

  static async open(core: Core, id: string | null): Promise<DraftEditor> {
    const form = await core.formSpec();
    const draft = await core.draft(id === null ? { kind: form.kinds[0]?.id ?? "", group: null } : { id });
    return new DraftEditor(core, form, draft);
  }

  get draft(): MonitorDraft {
    return this.#draft;
  }

  get conflict(): Conflict | null {
    return this.#conflict;
  }

  get generation(): number {
    return this.#generation;
  }

  readonly dirty = $derived.by(() => isDirty(this.#saved, this.#draft));

  readonly layout = $derived.by<Layout>(() => {
    const fields = fieldsOf(this.form, this.#draft.kind);
    const common = fields.slice(0, this.form.common.length);
    return {
      first: common.filter((field) => field.spec.required),
      own: inReadingOrder(fields.slice(this.form.common.length)),
      rest: common.filter((field) => !field.spec.required),
    };
  });

  /** Keys from top to bottom; `type` and `group` stand above all fields. */
  readonly order = $derived.by(() => {
    const { first, own, rest } = this.layout;
    return ["type", ...first.map((field) => field.spec.key), "group", ...[...own, ...rest].map((field) => field.spec.key)];
  });

  readonly shownErrors = $derived.by(() => {
    const errors = { ...this.#errors, ...this.#faults };
    return this.#tried ? errors : Object.fromEntries(Object.entries(errors).filter(([key]) => this.#left.has(key)));
  });

  valueOf(key: string): DraftValue {
    return this.#draft.values[key] ?? null;
  }

  set(key: string, value: DraftValue): void {
    this.#draft = set(this.#draft, key, value);
    this.#checkSoon();
  }

  setFault(key: string, what: string | null): void {
    if ((this.#faults[key] ?? null) === what) return;
    const { [key]: _, ...others } = this.#faults;
    this.#faults = what === null ? others : { ...others, [key]: what };
  }

  setGroup(group: string): void {
    this.#draft = { ...this.#draft, group };
    this.#checkSoon();
  }

  async setKind(kind: string): Promise<void> {
    if (kind === this.#draft.kind) return;
    const fresh = await this.#core.draft({ kind, group: this.#draft.group });
    this.#draft = carryOver(this.form, this.#draft, fresh);
    this.#left = new Set();
    this.#faults = {};
    this.#tried = false;
    this.#generation += 1;
    this.#checkSoon();
  }

  leave(key: string): void {
    if (this.#left.has(key)) return;
    this.#left = new Set([...this.#left, key]);
    this.#checkSoon();
  }

  /** Refused: the errors are at their fields. In conflict: nothing happens until somebody decides. */
  async save(): Promise<SaveOutcome> {
    clearTimeout(this.#timer);
    this.#checks += 1;
    const faults = Object.entries(this.#faults).map(([key, what]) => ({ key, what }));
    if (faults.length > 0) {
      this.#tried = true;
      return { outcome: "refused", errors: faults };
    }
    const outcome = await this.#core.saveDraft(this.#draft);
    this.#conflict = outcome.outcome === "conflict" ? outcome : null;
    if (outcome.outcome === "refused") this.#refuse(outcome.errors);
    if (outcome.outcome === "saved") this.#saved = this.#draft = { ...this.#draft, base: outcome.base };
    return outcome;
  }

  /** Saves mine over what stands in the file now. */
  async keepMine(): Promise<SaveOutcome> {
    if (this.#conflict) this.#draft = { ...this.#draft, base: this.#conflict.theirBase };
    return this.save();
  }

  /** Drops what was changed here and reads the monitor anew; a new one is gone with it. */
  async takeTheirs(): Promise<void> {
    const { id } = this.#draft;
    this.#conflict = null;
    if (id !== null) this.#saved = await this.#core.draft({ id });
    this.#draft = this.#saved;
    this.#errors = {};
    this.#faults = {};
    this.#tried = false;
    this.#generation += 1;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#checks += 1;
  }

  dropConflict(): void {
    this.#conflict = null;
  }

  #refuse(errors: FieldError[]): void {
    this.#errors = errorsByKey(errors);
    this.#tried = true;
  }

  #checkSoon(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#check(), CHECK_AFTER_MS);
  }

  async #check(): Promise<void> {
    const mine = (this.#checks += 1);
    // A check that fails says nothing about the values; saving will tell what is wrong.
    const errors = await this.#core.checkDraft(this.#draft).catch(() => null);
    if (errors && mine === this.#checks) this.#errors = errorsByKey(errors);
  }
}
