// Parts of a check as charts: lines of one unit share a chart, stacked where they add up to the whole.
import type { Ink } from "../../lib/chart/ink";
import type { Layer } from "../../lib/chart/layers";
import { meanOf, stacked, type Line } from "../../lib/chart/stack";
import { answer, percent } from "../../lib/format";
import { maybe } from "../../lib/i18n";
import type { Parts } from "../../lib/ipc/bindings";
import { wordsOfKey } from "../../lib/form/words";

export type Part = { key: string; label: string; ink: Ink; line: Line };
export type PartGroup = { unit: Line["unit"]; parts: Part[]; layers: Layer[] };

const SERIES_INKS = ["series-1", "series-2", "series-3", "series-4"] as const satisfies readonly Ink[];

const labelOf = (key: string): string => maybe(`part_${key}`) ?? wordsOfKey(key);

export function groupsOf(parts: Parts): PartGroup[] {
  const units = [...new Set(parts.lines.map((line) => line.unit))];
  let next = 0;
  return units.map((unit) => {
    const own = parts.lines
      .filter((line) => line.unit === unit)
      .map((line): Part => ({ key: line.key, label: labelOf(line.key), ink: inkAt(next++), line }));
    return { unit, parts: own, layers: layersOf(own, parts.bucketMs) };
  });
}

const inkAt = (nth: number): Ink => SERIES_INKS[nth % SERIES_INKS.length] ?? "series-1";

function layersOf(parts: readonly Part[], widthMs: number): Layer[] {
  const bars = parts.filter((part) => part.line.stacked || part.line.unit === "share");
  const lines = parts.filter((part) => !bars.includes(part));
  const layers: Layer[] = lines.map((part) => ({ kind: "line", values: part.line.values, ink: part.ink }));
  if (bars.length === 0) return layers;
  return [{ kind: "bars", tops: stacked(bars.map((part) => part.line)), inks: bars.map((part) => part.ink), widthMs }, ...layers];
}

export function partValue(unit: Line["unit"], value: number | null): string {
  if (value === null) return "–";
  return unit === "share" ? percent(value, 1) : answer(value);
}

export const isEmpty = (parts: Parts): boolean => parts.lines.every((line) => line.values.every((value) => value === null));

export const meanText = (part: Part): string => partValue(part.line.unit, meanOf(part.line.values));
