// Something asked of the core: the last good answer stays until a newer one is there, and stale answers are dropped.
import { describe } from "../../lib/ipc/errors";

export class Latest<T> {
  #value = $state.raw<T | null>(null);
  #error = $state.raw<string | null>(null);
  /** Counts questions: only the answer to the last one counts. */
  #asked = 0;
  #answered = 0;
  #again: (() => Promise<T>) | null = null;

  get value(): T | null {
    return this.#value;
  }

  /** Why the last question had no answer. */
  get error(): string | null {
    return this.#error;
  }

  /** For another question than before: an answer that is still on its way no longer matters. */
  async load(ask: () => Promise<T>): Promise<void> {
    const mine = (this.#asked += 1);
    this.#again = null;
    try {
      const value = await ask();
      if (mine !== this.#asked) return;
      this.#value = value;
      this.#error = null;
    } catch (error) {
      if (mine !== this.#asked) return;
      this.#error = describe(error);
    }
    this.#answered = mine;
    const again = this.#again as (() => Promise<T>) | null;
    if (again) await this.load(again);
  }

  /** For the same question again: waits for the answer that is on its way, so that slow answers still arrive. */
  async refresh(ask: () => Promise<T>): Promise<void> {
    if (this.#answered === this.#asked) return this.load(ask);
    this.#again = ask;
  }
}
