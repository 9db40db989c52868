// What screens may ask of the core. `tauri.ts` asks the real one, `fake.ts` is an in-memory world of the same types.
import type {
  About, Board, BoardChange, Failed, Figures, FileVersion, FirstRun, FormSpec, IncidentPage, DayMark, MonitorDraft, FieldError,
  MonitorPage, Navigate, Parts, Preferences, PruneShown, ResultCursor, ResultPage, RowHistory, SaveOutcome, Series, Why, Window,
  DeadLetters, LookNews, LookOutcome, MoveOutcome, PlainSecrets, RetentionCheck, RetentionDraft, RetentionForm, SecretOutcome, StorageDraft,
  StorageForm, StorageOverview, StorageState, TakenApart, UnlockOutcome, UseOutcome, VaultPlace, VaultSecret,
} from "./bindings";

/** A call that failed; carries the core's own error. */
export class IpcFailure extends Error {
  constructor(readonly failed: Failed) {
    super(failed.code);
  }
}

export type Unsubscribe = () => void;

/** One method a command; each rejects with an `IpcFailure`. */
export interface Core {
  board(): Promise<Board>;
  figures(window: Window): Promise<Figures>;
  /** Days of all monitors, of a group or of one monitor, oldest first. `days` is 7, 30, 90 or 365. */
  days(scope: { group: string } | { monitor: string } | null, days: number): Promise<DayMark[]>;
  /** For the rows that are on the screen; at most 100 ids. */
  rowHistories(ids: string[]): Promise<RowHistory[]>;
  monitorPage(id: string): Promise<MonitorPage>;
  series(id: string, fromMs: number, toMs: number, buckets: number): Promise<Series>;
  parts(id: string, fromMs: number, toMs: number, buckets: number): Promise<Parts>;
  /** Newest first; of all monitors when `id` is null. */
  incidents(id: string | null, fromMs: number, toMs: number, limit: number): Promise<IncidentPage>;
  results(id: string, limit: number, after: ResultCursor | null): Promise<ResultPage>;

  /** An empty list means all. */
  checkNow(ids: string[]): Promise<void>;
  /** `untilMs` null: until resumed. */
  pause(ids: string[], untilMs: number | null): Promise<void>;
  resume(ids: string[]): Promise<void>;
  acknowledge(incident: string, note: string): Promise<void>;
  /** Null unmutes. */
  mute(untilMs: number | null): Promise<void>;

  formSpec(): Promise<FormSpec>;
  /** The draft of a monitor, or an empty one of a kind. */
  draft(of: { id: string } | { kind: string; group: string | null }): Promise<MonitorDraft>;
  /** Errors at the fields; empty when it could be saved. */
  checkDraft(draft: MonitorDraft): Promise<FieldError[]>;
  saveDraft(draft: MonitorDraft): Promise<SaveOutcome>;
  removeMonitors(ids: string[]): Promise<SaveOutcome>;
  /** Takes back the save that led to `base`; fails where something was saved since. */
  undo(base: string): Promise<SaveOutcome>;
  versions(): Promise<FileVersion[]>;
  restoreVersion(id: string): Promise<SaveOutcome>;

  firstRun(): Promise<FirstRun>;
  watch(suggestions: string[]): Promise<SaveOutcome>;
  /** The text of a HallMonitor or Hall Monitor `config.yml`. */
  importConfig(text: string): Promise<SaveOutcome>;

  /** Asks no server: it is there at once. */
  storageOverview(): Promise<StorageOverview>;
  storageDraft(backend: string): Promise<StorageDraft>;
  /** Errors at the fields; empty when nothing is known against it. */
  checkStorage(form: StorageForm): Promise<FieldError[]>;
  /** What a pasted address says; null where it is none of such a store. A secret in it stays with the core. */
  takeApart(backend: string, address: string): Promise<TakenApart | null>;
  /** Where a file of certificates is, as a person chooses it; null when they changed their mind. */
  chooseCertificates(title: string): Promise<string | null>;
  /** Tells of each step as it is made; ends when the last one is. */
  lookAtStorage(form: StorageForm, hear: (news: LookNews) => void): Promise<LookOutcome>;
  stopLooking(): Promise<void>;
  /** Nothing is changed where anything fails. */
  useStorage(form: StorageForm): Promise<UseOutcome>;
  storageState(): Promise<StorageState>;
  /** History of a store of before, elsewhere, is shown too from now on. */
  showFormer(contact: string): Promise<void>;
  deadLetters(): Promise<DeadLetters>;
  /** An empty list means all. */
  retryLetters(ids: string[]): Promise<void>;
  dropLetters(ids: string[]): Promise<void>;
  retention(): Promise<RetentionDraft>;
  checkRetention(form: RetentionForm): Promise<RetentionCheck>;
  saveRetention(form: RetentionForm): Promise<SaveOutcome>;
  /** Drops what is older than it is kept; how many rows went. */
  pruneStorage(): Promise<number>;
  /** How far a prune is that is at work, whoever asked for it. */
  pruning(): Promise<PruneShown | null>;

  /** Names and places; never a secret. */
  secrets(): Promise<VaultSecret[]>;
  /** Writes to every place to see whether it works. */
  vaultPlaces(): Promise<VaultPlace[]>;
  /** `place` null: the strongest that is there. */
  setSecret(name: string, text: string, place: string | null): Promise<SecretOutcome>;
  forgetSecret(name: string): Promise<SecretOutcome>;
  /** What stands readable in the file: where, never what. */
  plainSecrets(): Promise<PlainSecrets>;
  /** `numbers` null: all that can be moved. Nothing is changed where anything fails. */
  movePlainSecrets(numbers: number[] | null, base: string, place: string | null): Promise<MoveOutcome>;
  /** The keychain asks on the screen; ends when that is answered, late, or nobody waits any more. */
  unlockKeychain(): Promise<UnlockOutcome>;
  stopUnlocking(): Promise<void>;

  /** What helps to find a fault; no secret is in it. */
  diagnostics(): Promise<string>;
  preferences(): Promise<Preferences>;
  setPreferences(preferences: Preferences): Promise<void>;
  about(): Promise<About>;
  /** Remembered by the shell, so that the window opens again in the same place. */
  setPlace(hash: string): Promise<void>;
  place(): Promise<string>;
  /** The answer to `askClose`. */
  close(choice: "tray" | "quit", remember: boolean): Promise<void>;

  onBoardChange(handler: (change: BoardChange) => void): Promise<Unsubscribe>;
  /** History of these monitors has something new (at most once in 10 s); empty means all. */
  onHistoryChange(handler: (ids: string[]) => void): Promise<Unsubscribe>;
  onNavigate(handler: (to: Navigate) => void): Promise<Unsubscribe>;
  /** Whether closing the window now would lose something. */
  setUnsaved(unsaved: boolean): Promise<void>;
  /** Closes the window as its button does. */
  closeWindow(): Promise<void>;
  onAskClose(handler: (why: Why) => void): Promise<Unsubscribe>;
}
