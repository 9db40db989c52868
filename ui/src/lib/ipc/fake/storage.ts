// Where the fake world keeps its history: four backends, one of which asks for a password. It knows "secret".
import type {
  DeadLetters, FieldError, FieldKind, LookNews, LookOutcome, MoveOutcome, OwnTimes, PlainSecret, PlainSecrets, RetentionCheck, RetentionDraft, RetentionForm, SecretOutcome, SecretShown,
  StorageCard, StorageDraft, StorageField, StorageForm, StorageOverview, StoragePart, StorageState, StoreSpan, TakenApart, UnlockOutcome, UseOutcome,
  VaultPlace, VaultSecret, Words,
} from "../bindings";
import { IpcFailure } from "../client";
import { DAY, HOUR, SECOND } from "./world";

const LOCKED = "the Secret Service is locked; unlock it (sign in to the desktop, or its password program)";

const same = (text: string): Words => ({ en: text, de: text });
const words = (en: string, de: string): Words => ({ en, de });

type More = { default?: string; part?: StoragePart; with?: StorageField["shownWith"]; certificates?: true };

function field(key: string, kind: FieldKind, label: Words, hint: Words | null, more: More = {}): StorageField {
  return {
    spec: { key, kind, required: false, default: more.default ?? null, doc: hint?.en ?? key },
    label, hint, part: more.part ?? "connection", shownWith: more.with ?? null, isCertificates: more.certificates ?? false,
  };
}

const TEXT: FieldKind = { type: "text" };
const LENGTH: FieldKind = { type: "duration", minMs: 100, maxMs: HOUR };

const SQL: StorageField[] = [
  field("host", TEXT, words("Host", "Rechner"), words("Name or address of the server, or the folder of its socket. A whole address (`postgres://…`) can be pasted here.", "Name oder Adresse des Servers, oder der Ordner seines Sockets. Eine ganze Adresse (`postgres://…`) kann hier eingefügt werden."), { default: "localhost" }),
  field("port", { type: "integer", min: 1, max: 65_535 }, same("Port"), null, { default: "5432" }),
  field("database", TEXT, words("Database", "Datenbank"), words("It must be there already.", "Sie muss schon vorhanden sein."), { default: "hallmonitor" }),
  field("user", TEXT, words("User", "Benutzer"), null, { default: "hallmonitor" }),
  field("password", { type: "secret" }, words("Password", "Passwort"), words("Empty where the server asks for none.", "Leer, wenn der Server keines verlangt.")),
  field("sslmode", { type: "choice", choices: ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] }, words("Protection (TLS)", "Schutz (TLS)"), words("Use `verify-full` over any network that is not your own.", "In jedem Netz, das nicht Ihr eigenes ist: `verify-full`."), { default: "disable" }),
  field("caFile", { type: "path" }, words("CA file", "CA-Datei"), words("Certificates (PEM) of the authority that signed the server's.", "Zertifikate (PEM) der Stelle, die das des Servers unterschrieben hat."), { with: { key: "sslmode", oneOf: ["verify-ca", "verify-full"], begins: "" }, certificates: true }),
  field("poolMax", { type: "integer", min: 1, max: 100 }, words("Most connections", "Höchstens Verbindungen"), words("At the same time.", "Zur selben Zeit."), { default: "4", part: "timing" }),
  field("acquireTimeout", LENGTH, words("Wait for a connection", "Warten auf eine Verbindung"), words("The longest, such as `10s`.", "Höchstens, etwa `10s`."), { default: "10s", part: "timing" }),
  field("replicas", TEXT, words("Read replicas", "Lese-Replikate"), words("`host` or `host:port`, with commas between them.", "`host` oder `host:port`, durch Kommas getrennt."), { part: "replicas" }),
  field("schema", TEXT, same("Schema"), words("Where the tables are; made where it is missing.", "Wo die Tabellen sind; wird angelegt, wenn es fehlt."), { default: "hallmonitor", part: "advanced" }),
];

const SERIES: StorageField[] = [
  field("url", TEXT, words("Address", "Adresse"), words("With the path where a proxy has it under one.", "Mit dem Pfad, wenn ein Proxy ihn unter einem hat."), { default: "http://localhost:8086" }),
  field("token", { type: "secret" }, same("Token"), words("It must be allowed to read and write both buckets.", "Es muss beide Buckets lesen und schreiben dürfen.")),
  field("org", TEXT, words("Organisation", "Organisation"), words("By its name.", "Mit ihrem Namen."), { default: "hallmonitor" }),
  field("bucket", TEXT, same("Bucket"), words("Of results.", "Für Ergebnisse."), { default: "monitor_results" }),
];

const FOLDER: StorageField[] = [
  field("path", { type: "path" }, words("Folder", "Ordner"), words("Where the files of history are.", "Wo die Dateien des Verlaufs liegen."), { part: "advanced" }),
];

type Backend = Pick<StorageCard, "id" | "name" | "about" | "icon" | "keepsHistory" | "isShared" | "fields">;

const BACKENDS: Backend[] = [
  {
    id: "embedded", name: words("Embedded", "Eingebaut"), about: words("On this computer. Nothing to set up.", "Auf diesem Rechner. Nichts einzurichten."),
    icon: "M2.5 2.8h11v4.4h-11ZM2.5 8.8h11v4.4h-11ZM5 5h.01M5 11h.01", keepsHistory: true, isShared: false, fields: FOLDER,
  },
  {
    id: "postgres", name: same("PostgreSQL"), about: words("Your SQL server, shared by several computers. TimescaleDB is used when it is there.", "Ihr SQL-Server, von mehreren Rechnern gemeinsam benutzt. TimescaleDB wird genutzt, wo es da ist."),
    icon: "M3 4.2C3 3 5.2 2.2 8 2.2s5 .8 5 2-2.2 2-5 2-5-.8-5-2Zm0 0v7.6c0 1.2 2.2 2 5 2s5-.8 5-2V4.2M3 8c0 1.2 2.2 2 5 2s5-.8 5-2",
    keepsHistory: true, isShared: true, fields: SQL,
  },
  {
    id: "influxdb", name: same("InfluxDB"), about: words("Your time-series server, shared by several computers, for dashboards of your own.", "Ihr Zeitreihen-Server, von mehreren Rechnern gemeinsam benutzt, für eigene Übersichten."),
    icon: "M2 11 5.2 5l2.8 5.5L11 3.5l3 5", keepsHistory: true, isShared: true, fields: SERIES,
  },
  {
    id: "none", name: words("No history", "Kein Verlauf"), about: words("Only what is happening now. Nothing is written, nothing can be looked up later.", "Nur was gerade geschieht. Nichts wird geschrieben, nichts lässt sich später nachsehen."),
    icon: "M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0ZM3.8 3.8l8.4 8.4", keepsHistory: false, isShared: false, fields: [],
  },
];

const STEPS: [name: string, detail: (form: StorageForm) => string, ms: number][] = [
  ["settings", (form) => String(form.values.host ?? form.values.url ?? "localhost"), 0.1],
  ["name", () => "192.168.1.20", 1.2],
  ["connection", (form) => `192.168.1.20:${String(form.values.port ?? "5432")}`, 2.1],
  ["protection", () => "TLSv1.3, TLS_AES_256_GCM_SHA384", 6.3],
  ["log in", (form) => String(form.values.user ?? "hallmonitor"), 4],
  ["rights", () => "rows can be read, written and deleted", 3],
  ["write and read", () => "a value came back whole", 6],
];

export const storageNames = (id: string): Words => BACKENDS.find((backend) => backend.id === id)?.name ?? same(id);

export class FakeStorage {
  inUse: string;
  readonly #now: () => number;
  readonly #sinceMs: number;
  #values: { [backend: string]: { [key: string]: string } } = {};
  #secrets = new Map<string, { text: string; setMs: number; place: string }>();
  #spans: { [backend: string]: StoreSpan[] } = {};
  #pasted = new Map<string, string>();
  #base = 1;
  #kept: { [key: string]: string } = {};
  #own: OwnTimes[] = [];
  #maxSize: string | null = null;
  #letters: DeadLetters["letters"] = [];
  #stop: (() => void) | null = null;
  /** What a person chooses in the desktop's dialog. */
  chosenFile: string | null = "/etc/ssl/certs/office-ca.pem";
  /** The next save meets another's change. */
  conflict = false;
  /** The keychain is locked. */
  locked = false;
  /** What stands readable in the file. */
  plain: PlainSecret[] = [];
  #asked: ((outcome: UnlockOutcome) => void) | null = null;
  /** Rows wait because the store does not answer. */
  away: boolean;
  stepMs = 0;

  constructor(inUse: string, away: boolean, now: () => number) {
    [this.inUse, this.away, this.#now] = [inUse, away, now];
    this.#sinceMs = now() - 297 * DAY;
    this.#secrets.set("wiki-token", { text: "x", setMs: now() - 92 * DAY, place: "service" });
    if (away) {
      this.plain = [
        { number: 0, owner: "section", of: "storage.postgres", part: "setting", key: "password", line: 12, repeated: 0, byHand: null },
        { number: 1, owner: "monitor", of: "wiki", part: "header", key: "Authorization", line: 31, repeated: 2, byHand: null },
        { number: 2, owner: "monitor", of: "router", part: "password", key: "", line: 40, repeated: 0, byHand: null },
        { number: 3, owner: "monitor", of: "office-vpn", part: "parameter", key: "api_key", line: 52, repeated: 0, byHand: "mixed" },
        { number: 4, owner: "webhook", of: "1", part: "path", key: "", line: 90, repeated: 0, byHand: null },
      ];
      this.#letters = [{
        id: "1", atMs: now() - HOUR, contact: inUse, reason: "the row is older than what is kept", row: "result", monitor: "router",
        timeMs: now() - 40 * DAY, retry: false,
      }];
    }
  }

  overview(): StorageOverview {
    const cards = BACKENDS.map((backend): StorageCard => ({
      ...backend, inUse: backend.id === this.inUse,
      isSetUp: backend.fields.every((one) => one.part !== "connection") || this.#values[backend.id] !== undefined,
      spans: this.#spans[backend.id] ?? [],
    }));
    return { cards, contact: this.inUse, sinceMs: this.#sinceMs, waitingRows: this.away ? 1840 : 0, fault: null };
  }

  draft(backend: string): StorageDraft {
    const fields = this.#backend(backend).fields.filter((one) => one.spec.kind.type === "secret");
    const secrets = fields.map((one): [string, SecretShown] => {
      const kept = this.#secrets.get(`${backend}-${one.spec.key}`);
      return [one.spec.key, kept ? { is: "kept", name: `${backend}-${one.spec.key}`, place: kept.place, setMs: kept.setMs } : { is: "unset" }];
    });
    return { backend, values: { ...this.#values[backend] }, secrets: Object.fromEntries(secrets), base: String(this.#base) };
  }

  check(form: StorageForm): FieldError[] {
    const errors: FieldError[] = [];
    const said = (key: string): string => form.values[key] ?? "";
    if (said("host").includes("://")) errors.push({ key: "host", what: "must be a name or an address alone, without a scheme, a port or a path" });
    if (said("port") !== "" && !/^[1-9]\d{0,4}$/.test(said("port"))) {
      errors.push({ key: "port", what: `\`${said("port")}\` is out of range; allowed: a whole number from 1 to 65535` });
    }
    if (said("caFile") !== "" && !said("caFile").endsWith(".pem")) errors.push({ key: "caFile", what: "this file holds no certificate (PEM)" });
    if (said("bucket").includes("/")) errors.push({ key: "bucket", what: "must not hold a slash: the name alone is meant" });
    return errors;
  }

  takeApart(backend: string, address: string): TakenApart | null {
    const url = /^postgres(?:ql)?:\/\/(?:([^:@]+)(?::([^@]+))?@)?([^:/]+)(?::(\d+))?(?:\/([^?]+))?/.exec(address.trim());
    if (backend !== "postgres" || !url) return null;
    const [, user, password, host, port, database] = url;
    const values = Object.fromEntries(Object.entries({ host, port, database, user }).filter(([, value]) => value !== undefined)) as { [key: string]: string };
    if (password === undefined) return { values, secrets: {} };
    const handle = String(this.#pasted.size + 1);
    this.#pasted.set(handle, password);
    return { values, secrets: { password: handle } };
  }

  async look(form: StorageForm, hear: (news: LookNews) => void): Promise<LookOutcome> {
    const errors = this.check(form);
    if (errors.length > 0) return { outcome: "refused", errors };
    let stopped = false;
    this.#stop = () => (stopped = true);
    const steps = form.backend === this.inUse ? STEPS.slice(-1) : STEPS;
    let failed = false;
    for (const [step, detail, tookMs] of steps) {
      if (failed) {
        hear({ news: "skipped", step });
        continue;
      }
      hear({ news: "begins", step });
      if (this.stepMs > 0) await new Promise((done) => setTimeout(done, this.stepMs));
      if (stopped) return { outcome: "stopped" };
      failed = step === "log in" && !this.#knows(form);
      if (failed) {
        const user = String(form.values.user ?? "hallmonitor");
        hear({
          news: "failed", step, what: `the server refuses user \`${user}\`: password authentication failed; check \`user\` and \`password\``,
          command: `ALTER ROLE "${user}" PASSWORD '…';`,
        });
      } else hear({ news: "passed", step, detail: detail(form), tookMs });
    }
    return { outcome: failed ? "failed" : "passed" };
  }

  stopLooking(): void {
    this.#stop?.();
  }

  use(form: StorageForm): UseOutcome {
    const errors = this.check(form);
    if (errors.length > 0) return { outcome: "refused", errors };
    if (this.conflict) {
      this.conflict = false;
      this.#base += 1;
    }
    if (form.base !== String(this.#base)) return { outcome: "conflict", theirBase: String(this.#base) };
    if (!this.#knows(form)) return { outcome: "unusable", what: "the server refuses the user: password authentication failed" };
    const wishes = Object.entries(form.secrets);
    if (this.locked && form.place === null && wishes.some(([, wish]) => wish?.is === "typed" || wish?.is === "pasted")) {
      return {
        outcome: "notKept", state: "locked",
        what: "the Secret Service is locked; unlock it (sign in to the desktop, or its password program)", places: [{ place: "kernel", lostAtRestart: true }],
      };
    }
    let keptIn: string | null = null;
    for (const [key, wish] of wishes) {
      const name = `${form.backend}-${key}`;
      if (wish?.is === "unset") this.#secrets.delete(name);
      const text = wish?.is === "typed" ? wish.text : wish?.is === "pasted" ? (this.#pasted.get(wish.handle) ?? "") : null;
      if (text === null) continue;
      keptIn = form.place ?? "service";
      this.#secrets.set(name, { text, setMs: this.#now(), place: keptIn });
    }
    const values = Object.entries(form.values).filter((pair): pair is [string, string] => pair[1] !== null && pair[1] !== undefined);
    if (this.#backend(form.backend).fields.length > 0) this.#values[form.backend] = Object.fromEntries(values);
    this.#base += 1;
    if (form.backend !== this.inUse) {
      const local = !this.#backend(this.inUse).isShared;
      const span: StoreSpan = { contact: this.inUse, fromMs: this.#sinceMs, toMs: this.#now(), readable: local, onRequest: !local, waitingRows: 0, fault: null };
      if (this.#backend(this.inUse).keepsHistory) this.#spans[this.inUse] = [span];
      delete this.#spans[form.backend];
      this.inUse = form.backend;
    }
    return { outcome: "used", contact: form.backend, keptIn, lostAtRestart: keptIn === "kernel" };
  }

  state(actors: number): StorageState {
    const now = this.#now();
    const keeps = this.#backend(this.inUse).keepsHistory;
    return {
      backend: this.inUse, contact: this.inUse, state: "open", fault: this.away ? "the disk is full; make room there" : null,
      lastWriteMs: now - 400, lastRows: 42, rowsPerMinute: keeps ? actors * 2 : null, appendP50Us: 3100, appendP99Us: 12_400,
      waitingRows: this.away ? 1840 : 0, oldestWaitingMs: this.away ? now - 22 * 60 * SECOND : null, goneInMs: null, retries: this.away ? 7 : 0,
      deadLetters: this.#letters.length, dropped: 0, condensed: 0, sizeBytes: keeps ? 1_214_000_000 : 0, isShared: false, ownBytes: null, results: keeps ? 1_814_400 : null, oldestMs: keeps ? now - 30 * DAY : null,
      parts: keeps
        ? [
            { of: "raw", bytes: 846_000_000 }, { of: "fiveMinutes", bytes: 214_000_000 }, { of: "hour", bytes: 98_000_000 },
            { of: "day", bytes: 21_000_000 }, { of: "rest", bytes: 35_000_000 },
          ]
        : [],
      house: keeps ? { endedMs: now - 12 * 60 * SECOND, tookUs: 412_000, rows: 1440 } : null,
      houseFault: null,
      sizeLimit: this.#maxSize === null ? null : { bytes: 1_000_000_000, cutToDays: 12, isOver: false },
      version: "native_db 0.8", journalBytes: 18_400_000, journalLimit: null, expectedBytes: keeps ? actors * 31_000_000 : null,
      expectedMonitors: actors, connections: null, prunedResults: 0, countedSinceMs: now - HOUR,
    };
  }

  showFormer(contact: string): void {
    for (const spans of Object.values(this.#spans)) {
      for (const span of spans) if (span.contact === contact) Object.assign(span, { readable: true, onRequest: false });
    }
  }

  letters(): DeadLetters {
    return { letters: this.#letters, all: this.#letters.length };
  }

  dropLetters(): void {
    this.#letters = [];
  }

  retention(): RetentionDraft {
    const tier = (key: string, usual: number | null) => ({ key, days: usual, usual, written: this.#kept[key] ?? null });
    return {
      tiers: [tier("raw", 30), tier("fiveMinutes", 90), tier("hour", 730), tier("day", null)], own: this.#own, elsewhere: 0,
      maxSize: this.#maxSize, canLimit: this.inUse === "embedded" || this.inUse === "postgres", base: String(this.#base),
    };
  }

  checkRetention(form: RetentionForm, actors: number): RetentionCheck {
    const own = Object.entries(form.own).flatMap(([id, values]) => Object.entries(values ?? {}).map(([tier, value]) => [`own.${id}.${tier}`, value] as const));
    const wrong = [...Object.entries(form.values), ...own].filter(([, value]) => value && !/^(\d+d|forever)$/i.test(value));
    const errors = wrong.map(([key, value]) => ({ key, what: `\`${value ?? ""}\` is no length of time; allowed: whole days such as \`30d\`, or \`forever\`` }));
    const size = form.maxSize;
    if (size && !/^(none|\d+ ?[kmgt]i?b)$/i.test(size)) {
      errors.push({ key: "maxSize", what: `\`${size}\` is no size with a unit; allowed: a size of at least 64MB as in \`500MB\`, \`2GB\`, or \`none\`` });
    }
    const raw = form.values.raw === "forever" ? 3650 : Number.parseInt(form.values.raw ?? "30", 10);
    return errors.length > 0
      ? { errors, expectedBytes: null, expectedMonitors: 0 }
      : { errors, expectedBytes: actors * (1_000_000 * raw + 1_000_000), expectedMonitors: actors };
  }

  /** Null where another changed the file meanwhile. */
  saveRetention(form: RetentionForm, nameOf: (id: string) => string): string | null {
    if (this.conflict) {
      this.conflict = false;
      this.#base += 1;
    }
    if (form.base !== String(this.#base)) return null;
    this.#kept = Object.fromEntries(Object.entries(form.values).filter((pair): pair is [string, string] => !!pair[1]));
    this.#maxSize = form.maxSize;
    for (const [id, wanted] of Object.entries(form.own)) {
      const values = Object.fromEntries(Object.entries(wanted ?? {}).filter((pair): pair is [string, string] => !!pair[1]));
      const others = this.#own.filter((one) => one.id !== id);
      this.#own = Object.keys(values).length === 0 ? others : [...others, { id, name: nameOf(id), values }];
    }
    this.#base += 1;
    return String(this.#base);
  }

  /** As if the file had such times already. */
  haveOwn(own: OwnTimes[]): void {
    this.#own = own;
  }

  secrets(): VaultSecret[] {
    const kept = [...this.#secrets].map(([name, { place, setMs }]) => {
      const usedBy = name === "wiki-token" ? ["wiki"] : name.startsWith("m-") ? [name.slice(2)] : [`storage.${name.replace("-", ".")}`];
      return { name, place, setMs, usedBy, users: usedBy.length };
    });
    const named = { name: "vpn-password", place: null, setMs: null, usedBy: ["office-vpn"], users: 1 };
    const all = this.#secrets.has(named.name) ? kept : [...kept, named];
    return all.sort((a, b) => a.name.localeCompare(b.name));
  }

  /** As many more secrets, each of a monitor. */
  addSecrets(count: number): void {
    for (let at = 1; at <= count; at += 1) this.#secrets.set(`m-device-${String(at)}`, { text: "secret", setMs: this.#now(), place: "service" });
  }

  plainSecrets(): PlainSecrets {
    return { secrets: this.plain, base: String(this.#base) };
  }

  movePlainSecrets(numbers: number[] | null, base: string, place: string | null): MoveOutcome {
    if (base !== String(this.#base)) return { outcome: "conflict", theirBase: String(this.#base) };
    if (this.locked && place === null) {
      return { outcome: "notKept", state: "locked", what: LOCKED, places: [{ place: "kernel", lostAtRestart: true }] };
    }
    const moved = this.plain.filter((secret) => secret.byHand === null && (numbers?.includes(secret.number) ?? true));
    if (moved.length === 0) throw new IpcFailure({ code: "bad_request", why: "none of these secrets can be moved here" });
    for (const secret of moved) this.#secrets.set(`${secret.of}-${secret.key || secret.part}`.toLowerCase(), { text: "secret", setMs: this.#now(), place: place ?? "service" });
    this.plain = this.plain.filter((secret) => !moved.includes(secret)).map((secret, number) => ({ ...secret, number }));
    this.#base += 1;
    return { outcome: "moved", count: moved.length, place: place ?? "service", lostAtRestart: place === "kernel" };
  }

  /** Waits for `answer`, as for a person. */
  unlock(): Promise<UnlockOutcome> {
    if (!this.locked) return Promise.resolve({ outcome: "open" });
    return new Promise((done) => (this.#asked = done));
  }

  stopUnlocking(): void {
    this.answerUnlock({ outcome: "stopped" });
  }

  answerUnlock(outcome: UnlockOutcome): void {
    if (outcome.outcome === "unlocked") this.locked = false;
    this.#asked?.(outcome);
    this.#asked = null;
  }

  places(): VaultPlace[] {
    return [
      { place: "service", state: this.locked ? "locked" : "ready", what: this.locked ? LOCKED : null, isUsed: !this.locked, lostAtRestart: false },
      { place: "kernel", state: "ready", what: null, isUsed: false, lostAtRestart: true },
      {
        place: "file", state: "no_passphrase", what: "the encrypted file needs its passphrase: set HALLMONITOR_VAULT_PASSPHRASE",
        isUsed: false, lostAtRestart: false,
      },
    ];
  }

  setSecret(name: string, text: string, place: string | null): SecretOutcome {
    if (!/^[\w.-]{1,128}$/.test(name)) throw new IpcFailure({ code: "bad_request", why: `"${name}" is no name of a secret` });
    if (this.locked && place === null) {
      return { outcome: "notKept", state: "locked", what: "the Secret Service is locked; unlock it", places: [{ place: "kernel", lostAtRestart: true }] };
    }
    this.#secrets.set(name, { text, setMs: this.#now(), place: place ?? "service" });
    return { outcome: "done", place: place ?? "service", lostAtRestart: place === "kernel" };
  }

  forgetSecret(name: string): SecretOutcome {
    this.#secrets.delete(name);
    return { outcome: "done", place: null, lostAtRestart: false };
  }

  #backend(id: string): Backend {
    const found = BACKENDS.find((backend) => backend.id === id);
    if (!found) throw new IpcFailure({ code: "bad_request", why: `\`${id}\` is no backend` });
    return found;
  }

  /** Whether the server takes what the form gives. */
  #knows(form: StorageForm): boolean {
    const secret = this.#backend(form.backend).fields.find((one) => one.spec.kind.type === "secret");
    if (!secret) return true;
    const wish = form.secrets[secret.spec.key];
    if (wish?.is === "typed") return wish.text === "secret";
    if (wish?.is === "pasted") return this.#pasted.get(wish.handle) === "secret";
    return this.#secrets.get(`${form.backend}-${secret.spec.key}`)?.text === "secret";
  }
}
