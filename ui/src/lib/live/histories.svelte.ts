// History of the rows that are on the screen: fetched when first seen, in batches, and again when the core says that
// there is something new.
import type { RowHistory } from "../ipc/bindings";
import type { Core, Unsubscribe } from "../ipc/client";

const BATCH = 100;
/** Rows that fly past while somebody scrolls are not asked for. */
const SETTLED_MS = 80;

export class RowHistories {
  #core: Core;
  #known = $state.raw<ReadonlyMap<string, RowHistory>>(new Map());
  #failed = $state.raw(false);
  #fresh = new Set<string>();
  #asked = new Set<string>();
  #wanted: readonly string[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(core: Core) {
    this.#core = core;
  }

  get failed(): boolean {
    return this.#failed;
  }

  of(id: string): RowHistory | undefined {
    return this.#known.get(id);
  }

  /** These rows are on the screen now. */
  want(ids: readonly string[]): void {
    this.#wanted = ids;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#fetch(), SETTLED_MS);
  }

  async connect(): Promise<Unsubscribe> {
    const stop = await this.#core.onHistoryChange((ids) => {
      if (ids.length === 0) this.#fresh.clear();
      for (const id of ids) this.#fresh.delete(id);
      this.want(this.#wanted);
    });
    return () => {
      stop();
      clearTimeout(this.#timer);
    };
  }

  async #fetch(): Promise<void> {
    const missing = this.#wanted.filter((id) => !this.#fresh.has(id) && !this.#asked.has(id));
    for (let from = 0; from < missing.length; from += BATCH) await this.#fetchBatch(missing.slice(from, from + BATCH));
  }

  async #fetchBatch(ids: string[]): Promise<void> {
    for (const id of ids) this.#asked.add(id);
    try {
      const found = await this.#core.rowHistories(ids);
      const known = new Map(this.#known);
      for (const history of found) known.set(history.id, history);
      for (const id of ids) this.#fresh.add(id);
      this.#known = known;
      this.#failed = false;
    } catch {
      this.#failed = true;
    } finally {
      for (const id of ids) this.#asked.delete(id);
    }
  }
}
