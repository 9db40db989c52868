// Chance that is the same every time: for a sequence, and for a place.

/** A sequence of numbers from 0 to 1 (mulberry32). */
export function sequence(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    return mixed(state);
  };
}

/** The number from 0 to 1 of a place, whatever was asked before. */
export function at(seed: number, ...place: number[]): number {
  let state = seed >>> 0;
  for (const part of place) state = (Math.imul(state ^ (part | 0), 0x9e3779b1) + Math.floor(part / 2 ** 32)) >>> 0;
  return mixed(state);
}

/** A normal deviate of a place. */
export function normalAt(seed: number, ...place: number[]): number {
  const radius = Math.sqrt(-2 * Math.log(Math.max(1e-12, at(seed, 1, ...place))));
  return radius * Math.cos(2 * Math.PI * at(seed, 2, ...place));
}

function mixed(state: number): number {
  let word = Math.imul(state ^ (state >>> 15), state | 1);
  word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
  return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32;
}
