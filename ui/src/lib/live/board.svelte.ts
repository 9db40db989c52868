// All monitors as they are now: fetched once, then kept by what the core pushes.
import type { BoardChange, BoardRow, Summary } from "../ipc/bindings";
import type { Core, Unsubscribe } from "../ipc/client";

/** What a person has to be told of: the monitor and what it was before. */
export type Turn = { row: BoardRow; before: BoardRow };

export class LiveBoard {
  /** Rows by id; the map is replaced with every change, a row object only when that row changed. */
  #rows = $state.raw<ReadonlyMap<string, BoardRow>>(new Map());
  #order = $state.raw<readonly string[]>([]);
  #summary = $state.raw<Summary | null>(null);
  /** The core's clock minus this window's. */
  #skewMs = 0;
  #revision = -1;
  /** What arrived before the first answer. */
  #early: BoardChange[] | null = [];
  #onTurns: (turns: Turn[]) => void = () => {};

  get rows(): ReadonlyMap<string, BoardRow> {
    return this.#rows;
  }

  get order(): readonly string[] {
    return this.#order;
  }

  /** Null until the first answer. */
  get summary(): Summary | null {
    return this.#summary;
  }

  get skewMs(): number {
    return this.#skewMs;
  }

  row(id: string): BoardRow | undefined {
    return this.#rows.get(id);
  }

  /** Called with every batch of monitors whose state changed. */
  onTurns(handler: (turns: Turn[]) => void): void {
    this.#onTurns = handler;
  }

  /** Listens first, then fetches, then replays what arrived in between: nothing is lost. */
  async connect(core: Core): Promise<Unsubscribe> {
    const stop = await core.onBoardChange((change) => {
      if (this.#early) this.#early.push(change);
      else this.#apply(change);
    });
    const board = await core.board();
    this.#revision = board.revision;
    this.#rows = new Map(board.rows.map((row) => [row.id, row]));
    this.#order = board.rows.map((row) => row.id);
    this.#take(board.summary);
    const early = this.#early ?? [];
    this.#early = null;
    for (const change of early) this.#apply(change);
    return stop;
  }

  #apply(change: BoardChange): void {
    if (change.revision < this.#revision) return;
    if (change.revision === this.#revision) {
      // Mutes and faults of our own change no monitor.
      this.#take(change.summary);
      return;
    }
    this.#revision = change.revision;
    const turns: Turn[] = [];
    if (change.rows.length > 0 || change.order) {
      const rows = new Map(this.#rows);
      for (const row of change.rows) {
        const before = rows.get(row.id);
        if (before && before.state !== row.state) turns.push({ row, before });
        rows.set(row.id, row);
      }
      if (change.order) {
        const left = new Set(change.order);
        for (const id of rows.keys()) if (!left.has(id)) rows.delete(id);
        this.#order = change.order;
      }
      this.#rows = rows;
    }
    this.#take(change.summary);
    if (turns.length > 0) this.#onTurns(turns);
  }

  #take(summary: Summary): void {
    this.#summary = summary;
    this.#skewMs = summary.nowMs - Date.now();
  }
}
