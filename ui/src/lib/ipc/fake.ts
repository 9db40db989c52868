// A core without a core: a deterministic world in memory, for work on the window and for its tests.
//
// In a browser the address chooses: `?fake=0|5|42|200|5000` (how many monitors), `seed`, `scenario` (see `cast.ts`),
// `hostile` (names that break layouts), `live=0` (nothing changes by itself), `delay` (milliseconds each answer takes),
// `conflict` (the first save meets another's change), `locked` (the keychain is), `secrets` (how many more the vault has),
// `prune` (milliseconds that one takes), `theme`, `language`, `tray=0`.
import type {
  Acknowledgement, Board, BoardChange, BoardRow, FileVersion, LookNews, MonitorDraft, Navigate, Preferences, RetentionForm, SaveOutcome,
  State, StorageForm, Summary, Why,
} from "./bindings";
import { IpcFailure, type Core, type Unsubscribe } from "./client";
import { cast, type Scenario } from "./fake/cast";
import { durationMs, errorsOf, formSpec, inherited, targetOf, valuesOf } from "./fake/forms";
import {
  certificateDays, daysOf, figuresOf, incidentId, incidentsOf, pageOf, partsOf, resultsOf, rowHistoryOf, seriesOf,
} from "./fake/history";
import { FakePrune } from "./fake/prune";
import { at, sequence } from "./fake/random";
import { FakeStorage, storageNames } from "./fake/storage";
import { DAY, SECOND, gapAt, lastCheck, latencyUs, spanAt, stateAt, type Actor, type World } from "./fake/world";

export type FakeOptions = {
  size: number;
  seed: number;
  scenario: Scenario;
  hostile: boolean;
  live: boolean;
  delayMs: number;
  conflict: boolean;
  locked: boolean;
  secrets: number;
  pruneMs: number;
  tray: boolean;
  preferences: Partial<Preferences>;
  now: () => number;
};

const USUAL: FakeOptions = {
  size: 42, seed: 1, scenario: "usual", hostile: false, live: false, delayMs: 0, conflict: false, locked: false,
  secrets: 0, pruneMs: 0, tray: true,
  preferences: {}, now: () => Date.now(),
};

const SUGGESTIONS = [
  ["gateway", "Gateway", "ping", "192.168.1.1", true],
  ["name_server", "Name server", "dns", "192.168.1.1", true],
  ["name_server", "Name server", "dns", "9.9.9.9", true],
  ["anchor", "Internet", "tcp", "one.one.one.one:443", true],
  ["neighbour", "nas.lan", "ping", "192.168.1.20", false],
] as const;

export class FakeCore implements Core {
  readonly #options: FakeOptions;
  readonly #world: World;
  readonly #prune: FakePrune;
  #revision = 1;
  /** What each monitor's file entry says beyond what the world needs. */
  #values = new Map<string, MonitorDraft["values"]>();
  #acknowledged = new Map<string, Acknowledgement>();
  /** Earlier contents of the file, oldest first. */
  #kept: { version: FileVersion; actors: Actor[] }[] = [];
  #preferences: Preferences;
  #mutedUntilMs: number | null = null;
  #base = 1;
  #conflict: boolean;
  #place = "";
  #boardHandlers = new Set<(change: BoardChange) => void>();
  #historyHandlers = new Set<(ids: string[]) => void>();
  #navigateHandlers = new Set<(to: Navigate) => void>();
  #closeHandlers = new Set<(why: Why) => void>();
  #unsaved = false;
  /** Where history is kept, for tests that make things happen there. */
  readonly storage: FakeStorage;

  constructor(options: Partial<FakeOptions> = {}) {
    this.#options = { ...USUAL, ...options };
    this.#prune = new FakePrune(this.#options.pruneMs);
    const { size, seed, scenario, hostile, now } = this.#options;
    this.#world = cast(size, seed, scenario, hostile, now());
    this.#conflict = this.#options.conflict;
    this.storage = new FakeStorage(scenario === "none" ? "none" : "embedded", scenario === "faults", now);
    this.storage.conflict = this.#options.conflict;
    this.storage.locked = this.#options.locked;
    this.storage.addSecrets(this.#options.secrets);
    this.#preferences = {
      theme: "system", language: "system", onClose: "tray", notifications: true, startAtLogin: false,
      ...this.#options.preferences,
    };
    this.#kept.push({ version: this.#version(now() - 3 * DAY), actors: [...this.#world.actors] });
  }

  /* ---- what is ---- */

  async board(): Promise<Board> {
    await this.#answer();
    return { revision: this.#revision, rows: this.#world.actors.map((actor) => this.#row(actor)), summary: this.#summary() };
  }

  async figures(window: Parameters<Core["figures"]>[0]) {
    await this.#history();
    return figuresOf(this.#world, window, this.#now());
  }

  async days(scope: Parameters<Core["days"]>[0], days: number) {
    await this.#history();
    const actors =
      scope === null ? this.#world.actors
      : "group" in scope ? this.#world.actors.filter((actor) => actor.group === scope.group)
      : [this.#actor(scope.monitor)];
    return daysOf(this.#world, actors, days, this.#now());
  }

  async rowHistories(ids: string[]) {
    await this.#history();
    const known = ids.slice(0, 100).flatMap((id) => this.#world.actors.find((actor) => actor.id === id) ?? []);
    return known.map((actor) => rowHistoryOf(this.#world, actor, this.#now()));
  }

  async monitorPage(id: string) {
    await this.#history();
    return { ...pageOf(this.#world, this.#actor(id), this.#now()), source: this.#source() };
  }

  async series(id: string, fromMs: number, toMs: number, buckets: number) {
    await this.#history();
    return seriesOf(this.#world, this.#actor(id), fromMs, toMs, buckets, this.#now());
  }

  async parts(id: string, fromMs: number, toMs: number, buckets: number) {
    await this.#history();
    return partsOf(this.#world, this.#actor(id), fromMs, toMs, buckets, this.#now());
  }

  async incidents(id: string | null, fromMs: number, toMs: number, limit: number) {
    await this.#history();
    const actors = id === null ? this.#world.actors : [this.#actor(id)];
    const all = this.#source().keepsHistory ? incidentsOf(actors, fromMs, toMs, this.#now()) : [];
    const incidents = all.slice(0, limit).map((incident) => ({
      ...incident, acknowledged: this.#acknowledged.get(incident.id) ?? null,
    }));
    return { source: this.#source(), incidents, more: all.length > limit };
  }

  async results(id: string, limit: number, after: Parameters<Core["results"]>[2]) {
    await this.#history();
    const page = resultsOf(this.#world, this.#actor(id), limit, after, this.#now());
    return { source: this.#source(), ...page };
  }

  /* ---- what to do ---- */

  async checkNow(ids: string[]): Promise<void> {
    await this.#answer();
    const checked = this.#named(ids);
    for (const actor of checked) actor.pending = false;
    this.#push(checked);
  }

  async pause(ids: string[], untilMs: number | null): Promise<void> {
    await this.#answer();
    const paused = this.#named(ids);
    for (const actor of paused) {
      actor.gaps = actor.gaps.filter((gap) => gap.toMs !== null || gap.reason !== "paused");
      actor.gaps.push({ fromMs: this.#now(), toMs: untilMs, reason: "paused" });
      actor.pausedUntilMs = untilMs;
    }
    this.#push(paused);
  }

  async resume(ids: string[]): Promise<void> {
    await this.#answer();
    const resumed = this.#named(ids);
    for (const actor of resumed) {
      for (const gap of actor.gaps) {
        if (gap.reason === "paused" && (gap.toMs === null || gap.toMs > this.#now())) gap.toMs = this.#now();
      }
      actor.pausedUntilMs = null;
    }
    this.#push(resumed);
  }

  async acknowledge(incident: string, note: string): Promise<void> {
    await this.#answer();
    this.#acknowledged.set(incident, { by: "this computer", atMs: this.#now(), note });
    this.#historyChanged([]);
  }

  async mute(untilMs: number | null): Promise<void> {
    await this.#answer();
    this.#mutedUntilMs = untilMs;
    this.#push([]);
  }

  /* ---- the file ---- */

  async formSpec() {
    await this.#answer();
    return formSpec([...new Set(this.#world.actors.map((actor) => actor.group))]);
  }

  async draft(of: Parameters<Core["draft"]>[0]): Promise<MonitorDraft> {
    await this.#answer();
    const shared = { inherited: inherited(), base: String(this.#base) };
    if (!("id" in of)) return { id: null, kind: of.kind, group: of.group ?? "", values: {}, ...shared };
    const actor = this.#actor(of.id);
    return { id: actor.id, kind: actor.kind, group: actor.group, values: this.#values.get(actor.id) ?? valuesOf(actor), ...shared };
  }

  async checkDraft(draft: MonitorDraft) {
    await this.#answer();
    return errorsOf(draft, this.#takenBy(draft.id));
  }

  async saveDraft(draft: MonitorDraft): Promise<SaveOutcome> {
    await this.#answer();
    const errors = errorsOf(draft, this.#takenBy(draft.id));
    if (errors.length > 0) return { outcome: "refused", errors };
    if (this.#conflict) {
      this.#conflict = false;
      this.#base += 1;
      const name = String(draft.values.name);
      return {
        outcome: "conflict", theirBase: String(this.#base),
        theirs: `- name: ${name}\n  interval: 5m\n`, mine: `- name: ${name}\n  interval: ${String(draft.values.interval ?? "30s")}\n`,
      };
    }
    if (draft.base !== String(this.#base)) {
      return { outcome: "conflict", theirBase: String(this.#base), theirs: "- name: theirs\n", mine: "- name: mine\n" };
    }
    this.#keep();
    const known = this.#world.actors.find((actor) => actor.id === draft.id);
    const actor = known ?? this.#newcomer(draft);
    actor.name = String(draft.values.name);
    actor.group = draft.group;
    actor.target = targetOf(draft);
    actor.intervalMs = durationMs(String(draft.values.interval ?? "")) ?? 30 * SECOND;
    actor.labels = typeof draft.values.labels === "object" && draft.values.labels ? draft.values.labels : {};
    this.#values.set(actor.id, draft.values);
    this.#push([actor], true);
    return this.#saved();
  }

  async removeMonitors(ids: string[]): Promise<SaveOutcome> {
    await this.#answer();
    this.#keep();
    const gone = new Set(ids);
    this.#world.actors = this.#world.actors.filter((actor) => !gone.has(actor.id));
    this.#push([], true);
    return this.#saved();
  }

  async undo(base: string): Promise<SaveOutcome> {
    await this.#answer();
    if (base !== String(this.#base)) throw new IpcFailure({ code: "bad_request", why: "the file was changed since" });
    const last = this.#kept.pop();
    if (!last) return { outcome: "saved", base: String(this.#base), undo: false };
    return this.#back(last.actors);
  }

  async versions(): Promise<FileVersion[]> {
    await this.#answer();
    return this.#kept.map((kept) => kept.version).reverse();
  }

  async restoreVersion(id: string): Promise<SaveOutcome> {
    await this.#answer();
    const kept = this.#kept.find((one) => one.version.id === id);
    if (!kept) throw new IpcFailure({ code: "bad_request", why: "there is no such version" });
    this.#keep();
    return this.#back(kept.actors);
  }

  async firstRun() {
    await this.#answer();
    const suggestions = SUGGESTIONS.map(([role, name, kind, target, ticked], index) => ({
      id: String(index), role, name, kind, target, ticked,
    }));
    return { needed: this.#world.actors.length === 0, path: "~/.config/hallmonitor/config.yml", suggestions };
  }

  async watch(suggestions: string[]): Promise<SaveOutcome> {
    await this.#answer();
    const wanted = SUGGESTIONS.filter((_, index) => suggestions.includes(String(index)));
    this.#keep();
    for (const [role, name, kind, target] of wanted) {
      const values: MonitorDraft["values"] = kind === "dns" ? { name: `${name} ${target}`, target, query: "example.com" } : { name, target };
      const draft = { id: null, kind, group: role === "anchor" ? "Internet" : "Network", values, inherited: {}, base: "" };
      const actor = this.#newcomer(draft);
      actor.name = String(values.name);
      actor.target = targetOf(draft);
    }
    this.#push(this.#world.actors, true);
    return this.#saved();
  }

  async importConfig(text: string): Promise<SaveOutcome> {
    await this.#answer();
    if (!text.includes("monitors:")) {
      throw new IpcFailure({
        code: "problems",
        problems: [{ line: 1, column: 1, what: "`monitoring` with groups of monitors is missing", allowed: null }],
      });
    }
    return this.watch(["0", "1", "2", "3"]);
  }

  /* ---- where history is kept ---- */

  async storageOverview() {
    await this.#answer();
    return this.storage.overview();
  }

  async storageDraft(backend: string) {
    await this.#answer();
    return this.storage.draft(backend);
  }

  async checkStorage(form: StorageForm) {
    await this.#answer();
    return this.storage.check(form);
  }

  async takeApart(backend: string, address: string) {
    await this.#answer();
    return this.storage.takeApart(backend, address);
  }

  async chooseCertificates() {
    await this.#answer();
    return this.storage.chosenFile;
  }

  async lookAtStorage(form: StorageForm, hear: (news: LookNews) => void) {
    await this.#answer();
    return this.storage.look(form, hear);
  }

  async stopLooking() {
    this.storage.stopLooking();
  }

  async useStorage(form: StorageForm) {
    await this.#answer();
    const outcome = this.storage.use(form);
    this.#push([]);
    return outcome;
  }

  async storageState() {
    await this.#answer();
    return this.storage.state(this.#world.actors.length);
  }

  async showFormer(contact: string) {
    await this.#answer();
    this.storage.showFormer(contact);
  }

  async deadLetters() {
    await this.#answer();
    return this.storage.letters();
  }

  async retryLetters() {
    await this.#answer();
    this.storage.dropLetters();
  }

  async dropLetters() {
    await this.#answer();
    this.storage.dropLetters();
  }

  async retention() {
    await this.#answer();
    return this.storage.retention();
  }

  async checkRetention(form: RetentionForm) {
    await this.#answer();
    return this.storage.checkRetention(form, this.#world.actors.length);
  }

  async saveRetention(form: RetentionForm): Promise<SaveOutcome> {
    await this.#answer();
    const base = this.storage.saveRetention(form, (id) => this.#world.actors.find((actor) => actor.id === id)?.name ?? id);
    if (base === null) return { outcome: "conflict", theirBase: this.storage.retention().base, theirs: "", mine: "" };
    return { outcome: "saved", base, undo: false };
  }

  async pruneStorage() {
    await this.#answer();
    return this.#prune.run();
  }

  async pruning() {
    await this.#answer();
    return this.#prune.state;
  }

  async secrets() {
    await this.#answer();
    return this.storage.secrets();
  }

  async vaultPlaces() {
    await this.#answer();
    return this.storage.places();
  }

  async setSecret(name: string, text: string, place: string | null) {
    await this.#answer();
    return this.storage.setSecret(name, text, place);
  }

  async forgetSecret(name: string) {
    await this.#answer();
    return this.storage.forgetSecret(name);
  }

  async plainSecrets() {
    await this.#answer();
    return this.storage.plainSecrets();
  }

  async movePlainSecrets(numbers: number[] | null, base: string, place: string | null) {
    await this.#answer();
    return this.storage.movePlainSecrets(numbers, base, place);
  }

  unlockKeychain() {
    return this.storage.unlock();
  }

  async stopUnlocking() {
    await this.#answer();
    this.storage.stopUnlocking();
  }

  /* ---- the window ---- */

  async preferences() {
    await this.#answer();
    return this.#preferences;
  }

  async setPreferences(preferences: Preferences) {
    await this.#answer();
    this.#preferences = preferences;
  }

  async diagnostics() {
    await this.#answer();
    return JSON.stringify({ version: "0.1.0", monitors: { count: this.#world.actors.length }, faults: [] }, null, 2);
  }

  async about() {
    await this.#answer();
    return {
      version: "0.1.0", configPath: "~/.config/hallmonitor/config.yml", dataDir: "~/.local/share/hallmonitor",
      tray: this.#options.tray,
    };
  }

  async setPlace(hash: string) {
    this.#place = hash;
  }

  async place() {
    return this.#place;
  }

  async close(choice: "tray" | "quit", remember: boolean) {
    if (remember) this.#preferences = { ...this.#preferences, onClose: choice };
  }

  async onBoardChange(handler: (change: BoardChange) => void) {
    return listen(this.#boardHandlers, handler);
  }

  async onHistoryChange(handler: (ids: string[]) => void) {
    return listen(this.#historyHandlers, handler);
  }

  async onNavigate(handler: (to: Navigate) => void) {
    return listen(this.#navigateHandlers, handler);
  }

  async onAskClose(handler: (why: Why) => void) {
    return listen(this.#closeHandlers, handler);
  }

  async setUnsaved(unsaved: boolean) {
    this.#unsaved = unsaved;
  }

  async closeWindow() {
    this.askClose();
  }

  /* ---- for tests and for the live show ---- */

  /** Puts a monitor into a state from now on, as a check would. */
  turn(id: string, state: "up" | "degraded" | "down"): void {
    const actor = this.#actor(id);
    const nowMs = this.#now();
    for (const span of actor.spans) span.toMs ??= nowMs;
    if (state !== "up") {
      const message = state === "down" ? "connection refused" : "slower than usual";
      actor.spans.push({
        fromMs: nowMs, toMs: null, state, failure: state === "down" ? "connect" : "assertion", message,
        loss: actor.kind === "ping" ? (state === "down" ? 1 : 0.33) : null,
      });
    }
    this.#push([actor]);
  }

  askClose(): void {
    for (const handler of this.#closeHandlers) handler(this.#unsaved ? "unsaved" : "meaning");
  }

  navigate(hash: string): void {
    for (const handler of this.#navigateHandlers) handler({ hash });
  }

  /** Checks go on: a share of the rows each second, now and then a change of state. */
  live(): Unsubscribe {
    const random = sequence(this.#options.seed + 99);
    let step = 0;
    const fresh = new Set<string>();
    const timer = setInterval(() => {
      const { actors } = this.#world;
      if (actors.length === 0) return;
      step += 1;
      const checked = actors.filter((actor) => lastCheck(actor, this.#now()) > this.#now() - SECOND);
      this.#push(checked);
      for (const actor of checked) fresh.add(actor.id);
      if (step % 12 === 0) {
        this.#historyChanged([...fresh]);
        fresh.clear();
      }
      if (step % 25 === 0) {
        const actor = actors[Math.floor(random() * actors.length)];
        if (!actor || gapAt(this.#world, actor, this.#now())) return;
        this.turn(actor.id, spanAt(actor, this.#now()) ? "up" : random() < 0.5 ? "down" : "degraded");
      }
    }, SECOND);
    return () => clearInterval(timer);
  }

  /* ---- inside ---- */

  #now(): number {
    return this.#options.now();
  }

  async #answer(): Promise<void> {
    if (this.#options.delayMs > 0) await new Promise((done) => setTimeout(done, this.#options.delayMs));
  }

  /** For what is read from history: some worlds keep none, in some the storage is broken. */
  async #history(): Promise<void> {
    await this.#answer();
    if (this.#options.scenario === "broken") throw new IpcFailure({ code: "storage", what: "the database does not answer" });
  }

  #source() {
    const backend = this.storage.inUse;
    return { backend, keepsHistory: backend !== "none", note: null, kept: [] };
  }

  #actor(id: string): Actor {
    const actor = this.#world.actors.find((one) => one.id === id);
    if (!actor) throw new IpcFailure({ code: "unknown_monitor", name: id });
    return actor;
  }

  #named(ids: string[]): Actor[] {
    return ids.length === 0 ? [...this.#world.actors] : ids.map((id) => this.#actor(id));
  }

  #takenBy(exceptId: string | null): Set<string> {
    return new Set(this.#world.actors.filter((actor) => actor.id !== exceptId).map((actor) => actor.name));
  }

  #newcomer(draft: MonitorDraft): Actor {
    const number = this.#world.actors.length + this.#revision * 1000;
    const actor: Actor = {
      id: `0000${number.toString(16).padStart(4, "0")}-0000-5000-9000-000000000000`, seed: number, name: "", group: draft.group,
      kind: draft.kind, target: "", labels: {}, intervalMs: 30 * SECOND, timeoutMs: 10 * SECOND, firstSeenMs: this.#now(),
      baseUs: 20_000, spread: 0.2, spans: [], gaps: [], pausedUntilMs: null, pending: true,
    };
    this.#world.actors.push(actor);
    if (this.#options.live) {
      setTimeout(() => {
        actor.pending = false;
        this.#push([actor]);
      }, 1500);
    }
    return actor;
  }

  #version(savedMs: number): FileVersion {
    return { id: String(savedMs), savedMs, bytes: 1200 + this.#world.actors.length * 96 };
  }

  #keep(): void {
    const actors = this.#world.actors.map((actor) => ({ ...actor }));
    this.#kept.push({ version: this.#version(this.#now()), actors });
  }

  #back(actors: Actor[]): SaveOutcome {
    this.#world.actors = actors.map((actor) => ({ ...actor }));
    this.#push(this.#world.actors, true);
    return this.#saved();
  }

  #saved(): SaveOutcome {
    this.#base += 1;
    return { outcome: "saved", base: String(this.#base), undo: true };
  }

  #push(actors: Actor[], moved = false): void {
    this.#revision += 1;
    const change: BoardChange = {
      revision: this.#revision, rows: actors.map((actor) => this.#row(actor)),
      order: moved ? this.#world.actors.map((actor) => actor.id) : null, summary: this.#summary(),
    };
    for (const handler of this.#boardHandlers) handler(change);
  }

  #historyChanged(ids: string[]): void {
    for (const handler of this.#historyHandlers) handler(ids);
  }

  #since(actor: Actor, state: State, nowMs: number): number | null {
    if (state === "pending") return null;
    const gap = gapAt(this.#world, actor, nowMs);
    if (gap) return gap.fromMs;
    const span = spanAt(actor, nowMs);
    return span ? span.fromMs : Math.max(actor.firstSeenMs, ...actor.spans.map((one) => one.toMs ?? 0));
  }

  #row(actor: Actor): BoardRow {
    const nowMs = this.#now();
    const state = stateAt(this.#world, actor, nowMs);
    const gap = gapAt(this.#world, actor, nowMs);
    const span = spanAt(actor, nowMs);
    const checkMs = actor.pending ? null : lastCheck(actor, gap ? gap.fromMs : nowMs);
    const answered = checkMs !== null && span?.state !== "down";
    return {
      id: actor.id, name: actor.name, group: actor.group, kind: actor.kind, target: actor.target, labels: actor.labels,
      intervalMs: actor.intervalMs, timeoutMs: actor.timeoutMs, state, sinceMs: this.#since(actor, state, nowMs),
      verdict: actor.pending ? null : (span?.state ?? "up"), failure: span?.failure ?? null, message: span?.message ?? "",
      lastCheckMs: checkMs, durationUs: answered ? latencyUs(actor, checkMs) : null,
      nextCheckMs: state === "paused" ? null : lastCheck(actor, nowMs) + actor.intervalMs,
      loss: actor.kind === "ping" && !actor.pending ? (span?.loss ?? 0) : null,
      certificateDays: actor.pending ? null : certificateDays(actor, nowMs), stale: false,
      pausedUntilMs: actor.pausedUntilMs, gap: gap?.reason ?? null,
      incident: span?.state === "down" ? incidentId(actor, span.fromMs) : null,
    };
  }

  #summary(): Summary {
    const nowMs = this.#now();
    const { actors } = this.#world;
    const counts: Summary["counts"] = {
      monitors: actors.length, up: 0, degraded: 0, down: 0, pending: 0, paused: 0, maintenance: 0, unobserved: 0,
    };
    let openIncidents = 0;
    for (const actor of actors) {
      counts[stateAt(this.#world, actor, nowMs)] += 1;
      if (spanAt(actor, nowMs)?.state === "down") openIncidents += 1;
    }
    const shared = this.#world.gaps.find((gap) => gap.toMs === null);
    const faulty = this.#options.scenario === "faults";
    return {
      counts, openIncidents,
      gap: shared ? { reason: shared.reason, sinceMs: shared.fromMs } : null,
      faults: faulty
        ? [{ of: "storage", what: "the disk is full, results wait in memory" }, { of: "configuration", what: "line 12: unknown key `intervall`" }]
        : [],
      storage: {
        backend: this.#source().backend, name: storageNames(this.#source().backend), keepsHistory: this.#source().keepsHistory,
        lastWriteMs: actors.length > 0 ? nowMs - 400 - Math.floor(at(1, this.#revision) * 500) : null,
        backlogRows: faulty ? 1840 : 0,
      },
      mutedUntilMs: this.#mutedUntilMs, nowMs,
    };
  }
}

function listen<H>(handlers: Set<H>, handler: H): Unsubscribe {
  handlers.add(handler);
  return () => handlers.delete(handler);
}

/** What the address of a page asks for. */
export function optionsOf(query: URLSearchParams): Partial<FakeOptions> {
  const preferences: Partial<Preferences> = {};
  const theme = query.get("theme");
  if (theme === "light" || theme === "dark") preferences.theme = theme;
  const language = query.get("language");
  if (language === "en" || language === "de") preferences.language = language;
  const now = query.get("now");
  return {
    size: Number(query.get("fake") ?? USUAL.size), seed: Number(query.get("seed") ?? USUAL.seed),
    scenario: (query.get("scenario") ?? USUAL.scenario) as Scenario, hostile: query.has("hostile"),
    live: query.get("live") !== "0", delayMs: Number(query.get("delay") ?? 0), conflict: query.has("conflict"),
    locked: query.has("locked"), secrets: Number(query.get("secrets") ?? 0), pruneMs: Number(query.get("prune") ?? 0),
    tray: query.get("tray") !== "0", preferences, ...(now ? { now: () => Number(now) } : {}),
  };
}

declare global {
  interface Window {
    /** The fake core of a page, for tests that make things happen. */
    fakeCore?: FakeCore;
  }
}

export async function connect(): Promise<Core> {
  const options = optionsOf(new URLSearchParams(location.search));
  const core = new FakeCore(options);
  if (options.live) core.live();
  window.fakeCore = core;
  return core;
}
