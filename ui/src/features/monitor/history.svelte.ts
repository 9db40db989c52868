// History of one monitor as its page shows it: what is asked, when it is asked again, and what the board adds meanwhile.
import { withTail, type Tail } from "../../lib/chart/columns";
import { bucketsFor, follows, lengthOfRange, windowOf, type View } from "../../lib/chart/range";
import type { BoardRow, IncidentPage, MonitorPage, Parts, Series } from "../../lib/ipc/bindings";
import type { Core } from "../../lib/ipc/client";
import { Latest } from "./latest.svelte";
import { refreshed, withMore, type ResultList } from "./results";

const RESULTS_FIRST = 12;
const RESULTS_MORE = 30;
const INCIDENTS_MOST = 50;
const YEAR_MS = 365 * 86_400_000;
/** Bars of parts are this wide with the space between them. */
const BAR_PX = 6;
/** Steps in which the window of a live chart moves over its own length. */
const STEPS = 600;

export class MonitorHistory {
  readonly page = new Latest<MonitorPage>();
  readonly incidents = new Latest<IncidentPage>();
  readonly results = new Latest<ResultList>();
  readonly #series = new Latest<{ series: Series; askedMs: number }>();
  readonly parts = new Latest<Parts>();
  #view = $state.raw<View>({ range: "24h", zoom: null });
  #width = $state.raw(0);
  #tails = $state.raw<readonly Tail[]>([]);
  #now: () => number;
  #core: Core;
  #id: string;
  #intervalMs: () => number;

  constructor(core: Core, id: string, now: () => number, intervalMs: () => number) {
    [this.#core, this.#id, this.#now, this.#intervalMs] = [core, id, now, intervalMs];
  }

  get view(): View {
    return this.#view;
  }

  /** Now, in steps of about a pixel: a live chart is not drawn anew with every tick of the clock. */
  readonly #stepMs = $derived.by(() => {
    const step = Math.max(1000, lengthOfRange(this.#view.range) / STEPS);
    return Math.ceil(this.#now() / step) * step;
  });

  /** What the charts show. */
  readonly window = $derived.by(() => windowOf(this.#view, this.#stepMs));

  /** With the checks that the board told of since. */
  readonly series = $derived.by(() => {
    const known = this.#series.value;
    if (!known || !follows(this.#view)) return known?.series ?? null;
    return this.#tails.filter((tail) => tail.timeMs > known.askedMs).reduce(withTail, known.series);
  });

  get seriesError(): string | null {
    return this.#series.error;
  }

  /** Sets what is shown and asks for it. */
  show(view: View): void {
    if (JSON.stringify(view) === JSON.stringify(this.#view)) return;
    this.#view = view;
    this.#askCharts("load");
  }

  /** How wide the charts are; asks when it is known, and again when it changed so much that it would be seen. */
  resize(px: number): void {
    if (px <= 0) return;
    const before = this.#width;
    if (before > 0 && Math.abs(px - before) / before < 0.2) return;
    this.#width = px;
    this.#askCharts("load");
  }

  /** All but the charts, which ask as soon as they know how wide they are. */
  start(): void {
    this.#askLists();
  }

  /** There is something new; also what a person asks for after a failure. */
  refresh(): void {
    this.#askLists();
    if (this.#width > 0) this.#askCharts("refresh");
  }

  /** What the board says of the monitor; a check that the series does not have yet is drawn at its end. */
  follow(row: BoardRow): void {
    if (row.lastCheckMs === null || row.verdict === null || row.stale) return;
    const last = this.#tails.at(-1);
    if (last && last.timeMs >= row.lastCheckMs) return;
    const tail: Tail = { timeMs: row.lastCheckMs, durationUs: row.durationUs, verdict: row.verdict };
    this.#tails = [...this.#tails.slice(-60), tail];
  }

  async moreResults(): Promise<void> {
    const list = this.results.value;
    if (!list?.next) return;
    const { next } = list;
    await this.results.load(async () => {
      const page = await this.#core.results(this.#id, RESULTS_MORE, next);
      return withMore(this.results.value ?? list, page);
    });
  }

  #askLists(): void {
    const now = this.#now();
    void this.page.refresh(() => this.#core.monitorPage(this.#id));
    void this.incidents.refresh(() => this.#core.incidents(this.#id, now - YEAR_MS, now, INCIDENTS_MOST));
    void this.results.refresh(async () => refreshed(this.results.value, await this.#core.results(this.#id, RESULTS_FIRST, null)));
  }

  #askCharts(how: "load" | "refresh"): void {
    const { fromMs, toMs } = this.window;
    // More buckets than checks would only be empty ones.
    const most = Math.max(2, Math.ceil((toMs - fromMs) / this.#intervalMs()));
    const buckets = Math.min(bucketsFor(this.#width), most);
    const bars = Math.min(Math.max(24, Math.min(Math.round(this.#width / BAR_PX), 160)), most);
    void this.#series[how](async () => {
      const askedMs = this.#now();
      return { series: await this.#core.series(this.#id, fromMs, toMs, buckets), askedMs };
    });
    void this.parts[how](() => this.#core.parts(this.#id, fromMs, toMs, bars));
  }
}
