// Options for uPlot. Time and values are drawn to scales of our own; the library draws lines, bands and axes.
import type uPlot from "uplot";
import { tickLabel } from "./labels";
import { lonelyPoints, type LabelledSpan, type Layer } from "./layers";
import type { Palette } from "./ink";
import { paintBars, paintLabels, paintSpans, type Plane } from "./paint";
import { timeTicks, type ValueAxis } from "./scale";

/** What is drawn now; the plot reads it anew at each drawing. */
export type Scene = {
  x: readonly number[];
  layers: readonly Layer[];
  spans: readonly LabelledSpan[];
  fromMs: number;
  toMs: number;
  axis: ValueAxis;
  valueLabel: (value: number, top: number) => string;
  /** What stands at the right end of the time axis, such as "now". */
  endLabel: string | null;
  bare: boolean;
  palette: Palette;
};

/** Left of the plot; the same for all charts, so that those above each other line up. */
const VALUE_AXIS_PX = 52;
const TIME_AXIS_PX = 26;
const BARE_AXIS_PX = 8;
const LABEL_PX = 72;

export function dataOf(scene: Scene): uPlot.AlignedData {
  const columns: (readonly (number | null)[])[] = scene.layers.flatMap((layer) => {
    if (layer.kind === "band") return [layer.high, layer.low];
    return layer.kind === "line" ? [layer.values] : [];
  });
  // The library draws no axes where there is no point at all.
  if (scene.x.length === 0) return [[scene.fromMs, scene.toMs], ...columns.map(() => [null, null])];
  return [scene.x, ...columns] as uPlot.AlignedData;
}

/** `scene` is asked at each drawing; the kinds of its layers must stay the same. */
export function optionsOf(scene: () => Scene, size: { width: number; height: number }): uPlot.Options {
  const { series, bands } = seriesOf(scene);
  return {
    ...size,
    ms: 1,
    padding: [8, 18, 0, 0],
    cursor: { show: false },
    legend: { show: false },
    scales: {
      x: { time: false, auto: false, min: scene().fromMs, max: scene().toMs },
      y: { auto: false, min: 0, max: scene().axis.top },
    },
    axes: [timeAxis(scene), valueAxisOf(scene)],
    series: [{}, ...series],
    bands,
    hooks: {
      drawAxes: [
        (plot) => {
          paintSpans(plot.ctx, planeOf(plot), scene().spans, scene().palette);
          paintAllBars(plot, scene());
        },
      ],
      draw: [(plot) => paintLabels(plot.ctx, planeOf(plot), scene().spans, scene().palette)],
    },
  };
}

function seriesOf(scene: () => Scene): { series: uPlot.Series[]; bands: uPlot.Band[] } {
  const series: uPlot.Series[] = [];
  const bands: uPlot.Band[] = [];
  const drawn = scene().layers.filter((layer) => layer.kind !== "bars");
  for (const layer of drawn) {
    if (layer.kind === "band") {
      series.push({ points: { show: false } }, { points: { show: false } });
      // Places of series are counted with the time column in front.
      bands.push({ series: [series.length - 1, series.length], fill: () => scene().palette.soft[layer.ink] });
    } else {
      const dots: Partial<uPlot.Series.Points> = layer.dashed
        ? { show: false }
        : { show: true, size: 4, filter: (plot, at) => lonelyPoints(plot.data[at] as (number | null)[]) };
      series.push({
        stroke: () => scene().palette[layer.ink],
        width: layer.dashed ? 1.1 : 1.8,
        ...(layer.dashed ? { dash: [3, 3] } : {}),
        points: dots,
      });
    }
  }
  return { series, bands };
}

function timeAxis(scene: () => Scene): uPlot.Axis {
  return {
    ...axisLook(scene),
    size: scene().bare ? BARE_AXIS_PX : TIME_AXIS_PX,
    gap: 6,
    grid: { show: false },
    ticks: { show: false },
    splits: (plot) => ticksOf(plot, scene()).map((tick) => tick.ms),
    values: (plot) => ticksOf(plot, scene()).map((tick) => tick.label),
  };
}

function ticksOf(plot: uPlot, { fromMs, toMs, endLabel, bare }: Scene): { ms: number; label: string }[] {
  if (bare) return [];
  const width = plot.width - VALUE_AXIS_PX;
  const ticks = timeTicks(fromMs, toMs, width / LABEL_PX).map((tick) => ({ ms: tick.ms, label: tickLabel(tick) }));
  if (endLabel === null) return ticks;
  const room = ((toMs - fromMs) * LABEL_PX * 0.7) / Math.max(width, 1);
  return [...ticks.filter((tick) => toMs - tick.ms > room), { ms: toMs, label: endLabel }];
}

function valueAxisOf(scene: () => Scene): uPlot.Axis {
  return {
    ...axisLook(scene),
    size: VALUE_AXIS_PX,
    gap: 6,
    grid: { stroke: () => scene().palette.line, width: 1 },
    ticks: { show: false },
    splits: () => scene().axis.ticks,
    values: (_, ticks) => ticks.map((tick) => scene().valueLabel(tick, scene().axis.top)),
  };
}

const axisLook = (scene: () => Scene): uPlot.Axis => ({
  stroke: () => scene().palette["text-muted"],
  font: `11px ${scene().palette.font}`,
});

function planeOf(plot: uPlot): Plane {
  return {
    ...plot.bbox,
    ratio: devicePixelRatio,
    xOf: (ms) => plot.valToPos(ms, "x", true),
    yOf: (value) => plot.valToPos(value, "y", true),
  };
}

function paintAllBars(plot: uPlot, { x, layers, palette }: Scene): void {
  for (const layer of layers) {
    if (layer.kind !== "bars") continue;
    const colours = layer.inks.map((ink) => palette[ink]);
    paintBars(plot.ctx, planeOf(plot), { x, tops: layer.tops, colours, widthMs: layer.widthMs });
  }
}
