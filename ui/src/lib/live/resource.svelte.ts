// Something that is fetched and may fail, fetched again when what it depends on changes or the core has news.
import { describe } from "../ipc/errors";

export class Resource<T> {
  /** The last answer; stays while the next one is on its way, so that nothing jumps. */
  data = $state.raw<T | null>(null);
  error = $state.raw<string | null>(null);
  #turn = 0;

  /** The answer to the latest question counts, whichever comes last. */
  async load(fetch: () => Promise<T>): Promise<void> {
    const turn = ++this.#turn;
    try {
      const data = await fetch();
      if (turn !== this.#turn) return;
      this.data = data;
      this.error = null;
    } catch (error) {
      if (turn === this.#turn) this.error = describe(error);
    }
  }
}
