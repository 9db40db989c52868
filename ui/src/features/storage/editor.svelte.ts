// The settings of one backend on their way: edited, checked while somebody types, looked at, used.
import type {
  FieldError, LookNews, LookOutcome, OtherPlace, SecretWish, StorageCard, StorageDraft, StorageField, StorageForm, UseOutcome,
} from "../../lib/ipc/bindings";
import type { Core } from "../../lib/ipc/client";
import { errorsByKey } from "../../lib/form/draft";
import { changesOf, formOf, isShown, PARTS, type Values, type Wishes } from "./form";

/** Checks wait until nobody typed for so long. */
const CHECK_AFTER_MS = 300;

export type Step = {
  name: string;
  state: "running" | "passed" | "failed" | "skipped";
  detail: string;
  tookMs: number | null;
  command: string | null;
};

export type Look = { steps: Step[]; outcome: LookOutcome["outcome"] | null; startedMs: number };

function after(steps: readonly Step[], news: LookNews): Step[] {
  const without = steps.filter((step) => step.name !== news.step);
  const step: Step = { name: news.step, state: "running", detail: "", tookMs: null, command: null };
  switch (news.news) {
    case "begins":
      return [...without, step];
    case "passed":
      return [...without, { ...step, state: "passed", detail: news.detail, tookMs: news.tookMs }];
    case "failed":
      return [...without, { ...step, state: "failed", detail: news.what, command: news.command }];
    case "skipped":
      return [...without, { ...step, state: "skipped" }];
  }
}

export class StorageEditor {
  readonly card: StorageCard;
  readonly draft: StorageDraft;
  readonly #core: Core;
  #values = $state.raw<Values>({});
  #secrets = $state.raw<Wishes>({});
  #errors = $state.raw<{ [key: string]: string }>({});
  /** Fields that were left: what is wrong with others is not said before somebody tries. */
  #left = $state.raw<ReadonlySet<string>>(new Set());
  #tried = $state(false);
  #base: string;
  #look = $state.raw<Look | null>(null);
  /** Values that a look showed to be no good. */
  #failedForm = $state.raw<string | null>(null);
  #checks = 0;
  #looks = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Counts drafts that were put in place of another, so that fields with a state of their own start anew. */
  generation = $state(0);

  constructor(core: Core, card: StorageCard, draft: StorageDraft) {
    [this.#core, this.card, this.draft, this.#base] = [core, card, draft, draft.base];
    this.#values = { ...draft.values } as Values;
  }

  static async open(core: Core, card: StorageCard): Promise<StorageEditor> {
    return new StorageEditor(core, card, await core.storageDraft(card.id));
  }

  get values(): Values {
    return this.#values;
  }

  get look(): Look | null {
    return this.#look;
  }

  readonly changes = $derived.by(() => changesOf(this.card, this.draft, this.#values, this.#secrets));
  readonly dirty = $derived.by(() => this.changes.length > 0);
  readonly looking = $derived.by(() => this.#look !== null && this.#look.outcome === null);

  /** The fields that have a meaning now, by part of the form. */
  readonly parts = $derived.by(() => {
    const shown = this.card.fields.filter((field) => isShown(this.card, field, this.#values));
    return PARTS.map((part) => ({ part, fields: shown.filter((field) => field.part === part) })).filter(({ fields }) => fields.length > 0);
  });

  readonly order = $derived.by(() => this.parts.flatMap(({ fields }) => fields.map((field) => field.spec.key)));

  readonly shownErrors = $derived.by(() =>
    this.#tried ? this.#errors : Object.fromEntries(Object.entries(this.#errors).filter(([key]) => this.#left.has(key))),
  );

  /** Whether the last look failed with just these values. */
  readonly knownBad = $derived.by(() => this.#failedForm !== null && this.#failedForm === this.#key());

  #key(): string {
    return JSON.stringify([this.#values, this.#secrets]);
  }

  wishOf(key: string): SecretWish {
    return this.#secrets[key] ?? { is: "same" };
  }

  form(place: string | null = null): StorageForm {
    return formOf(this.card, this.draft, this.#values, this.#secrets, this.#base, place);
  }

  set(key: string, value: string): void {
    this.#values = { ...this.#values, [key]: value };
    this.#checkSoon();
  }

  setSecret(key: string, wish: SecretWish): void {
    const { [key]: _, ...others } = this.#secrets;
    this.#secrets = wish.is === "same" ? others : { ...others, [key]: wish };
    this.#checkSoon();
  }

  leave(key: string): void {
    if (this.#left.has(key)) return;
    this.#left = new Set([...this.#left, key]);
    this.#checkSoon();
  }

  /** Takes an address apart into the fields; false where it says nothing of such a store. */
  async paste(text: string): Promise<boolean> {
    const apart = await this.#core.takeApart(this.card.id, text);
    if (!apart) return false;
    this.#values = { ...this.#values, ...(apart.values as Values) };
    for (const [key, handle] of Object.entries(apart.secrets)) this.setSecret(key, { is: "pasted", handle: handle ?? "" });
    this.generation += 1;
    this.#checkSoon();
    return true;
  }

  /** Lets a person choose a file; it stays as it was when they changed their mind. */
  async chooseFile(key: string, title: string): Promise<void> {
    const path = await this.#core.chooseCertificates(title);
    if (path === null) return;
    this.set(key, path);
    this.leave(key);
  }

  /** Looks at the store, step by step. */
  async test(now: number): Promise<LookOutcome> {
    const turn = (this.#looks += 1);
    const key = this.#key();
    this.#look = { steps: [], outcome: null, startedMs: now };
    const hear = (news: LookNews): void => {
      if (turn === this.#looks && this.#look) this.#look = { ...this.#look, steps: after(this.#look.steps, news) };
    };
    try {
      const outcome = await this.#core.lookAtStorage(this.form(), hear);
      if (turn === this.#looks && this.#look) this.#look = outcome.outcome === "refused" ? null : { ...this.#look, outcome: outcome.outcome };
      if (outcome.outcome === "refused") this.#refuse(outcome.errors);
      if (outcome.outcome === "failed") this.#failedForm = key;
      if (outcome.outcome === "passed" && this.#failedForm === key) this.#failedForm = null;
      return outcome;
    } catch (error) {
      if (turn === this.#looks) this.#look = null;
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.#core.stopLooking();
  }

  async use(place: string | null = null): Promise<UseOutcome> {
    clearTimeout(this.#timer);
    this.#checks += 1;
    const outcome = await this.#core.useStorage(this.form(place));
    if (outcome.outcome === "refused") this.#refuse(outcome.errors);
    return outcome;
  }

  /** From now on the form is put over the file as it is now. */
  rebase(base: string): void {
    this.#base = base;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#checks += 1;
    this.#looks += 1;
    if (this.looking) void this.#core.stopLooking();
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
    const errors = await this.#core.checkStorage(this.form()).catch(() => null);
    if (errors && mine === this.#checks) this.#errors = errorsByKey(errors);
  }
}

export type { OtherPlace, StorageField };
