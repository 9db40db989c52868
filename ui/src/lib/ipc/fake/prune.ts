// A prune that takes as long as it is told to: half of it sums up, half of it drops.
import type { PruneShown } from "../bindings";

const ROWS = 1_440;

export class FakePrune {
  #began: number | null = null;
  readonly #takesMs: number;

  constructor(takesMs: number) {
    this.#takesMs = takesMs;
  }

  async run(): Promise<number> {
    this.#began = performance.now();
    await new Promise((done) => setTimeout(done, this.#takesMs));
    this.#began = null;
    return ROWS;
  }

  get state(): PruneShown | null {
    if (this.#began === null) return null;
    const part = Math.min(1, (performance.now() - this.#began) / this.#takesMs);
    if (part < 0.1) return { step: null, share: 0, rows: 0 };
    if (part < 0.5) return { step: "summingUp", share: part * 2, rows: 0 };
    return { step: "dropping", share: part * 2 - 1, rows: Math.round((part * 2 - 1) * ROWS) };
  }
}
