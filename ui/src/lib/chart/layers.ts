// What a chart draws over time, without a word about the library that draws it.
import type { Ink } from "./ink";
import type { Span } from "./spans";

type Values = readonly (number | null)[];

export type Layer =
  | { kind: "band"; low: Values; high: Values; ink: Ink }
  | { kind: "line"; values: Values; ink: Ink; dashed?: boolean }
  /** Tops of stacked bars, the lowest part first; `widthMs` is the time that a bar stands for. */
  | { kind: "bars"; tops: readonly Values[]; inks: readonly Ink[]; widthMs: number };

/** A span with the words that stand in it where there is room. */
export type LabelledSpan = Span & { label: string };

/** The highest value of what is seen, to which lines from just outside belong; minus infinity where there is none. */
export function highestOf(layers: readonly Layer[], x: readonly number[], window: { fromMs: number; toMs: number }): number {
  let highest = Number.NEGATIVE_INFINITY;
  const first = x.findIndex((ms) => ms >= window.fromMs) - 1;
  const last = x.findLastIndex((ms) => ms <= window.toMs) + 1;
  const look = (values: Values | undefined): void => {
    values?.forEach((value, at) => {
      if (value !== null && value > highest && at >= first && at <= last) highest = value;
    });
  };
  for (const layer of layers) {
    if (layer.kind === "band") look(layer.high);
    else if (layer.kind === "line") look(layer.values);
    else look(layer.tops.at(-1));
  }
  return highest;
}

/** Points with a value and none on either side: a line through them would not be seen. */
export function lonelyPoints(values: Values): number[] {
  const has = (at: number): boolean => (values[at] ?? null) !== null;
  return values.flatMap((_, at) => (has(at) && !has(at - 1) && !has(at + 1) ? [at] : []));
}
