// What the ear is told of changes: a second's worth at a time, in one sentence for each direction.
import { t } from "../i18n";
import type { Turn } from "./board.svelte";

const GATHER_MS = 1000;
const TOLD = ["down", "degraded", "up"] as const;

export class Announcer {
  #text = $state.raw("");
  #turns = new Map<string, Turn>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  get text(): string {
    return this.#text;
  }

  hear = (turns: Turn[]): void => {
    for (const turn of turns) this.#turns.set(turn.row.id, turn);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#text = sayTurns([...this.#turns.values()]);
      this.#turns.clear();
    }, GATHER_MS);
  };
}

/** Up is worth a word only after trouble. */
export function sayTurns(turns: Turn[]): string {
  const sentences = TOLD.flatMap((state) => {
    const turned = turns.filter(
      ({ row, before }) => row.state === state && (state !== "up" || before.state === "down" || before.state === "degraded"),
    );
    const [only] = turned;
    if (!only) return [];
    return turned.length === 1 ? [t(`said_${state}`, { name: only.row.name })] : [t(`said_many_${state}`, { count: turned.length })];
  });
  return sentences.join(" ");
}
