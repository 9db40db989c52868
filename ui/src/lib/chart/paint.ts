// Draws on the canvas what the chart library has no notion of: spans behind the lines, and stacked bars.
import type { Palette } from "./ink";
import type { LabelledSpan } from "./layers";

/** The plot in canvas pixels, and how a time and a value come to a place in it. */
export type Plane = {
  left: number;
  top: number;
  width: number;
  height: number;
  /** Canvas pixels of one CSS pixel. */
  ratio: number;
  xOf: (ms: number) => number;
  yOf: (value: number) => number;
};

/** Outages shorter than this would not be seen. */
const THINNEST_PX = 2;

function edges(span: LabelledSpan, plane: Plane): { from: number; width: number } | null {
  const right = plane.left + plane.width;
  const from = Math.max(plane.xOf(span.fromMs), plane.left);
  const to = Math.min(plane.xOf(span.toMs), right);
  if (to < plane.left || from > right) return null;
  const thinnest = THINNEST_PX * plane.ratio;
  return { from: Math.min(from, right - thinnest), width: Math.max(to - from, thinnest) };
}

export function paintSpans(ctx: CanvasRenderingContext2D, plane: Plane, spans: readonly LabelledSpan[], palette: Palette): void {
  for (const span of spans) {
    const at = edges(span, plane);
    if (!at) continue;
    if (span.what === "gap") hatch(ctx, plane, at.from, at.width, palette.unobserved);
    else {
      ctx.fillStyle = palette["down-soft"];
      ctx.fillRect(at.from, plane.top, at.width, plane.height);
      ctx.fillStyle = palette.down;
      ctx.fillRect(at.from, plane.top, at.width, 3 * plane.ratio);
    }
  }
}

/** Diagonal lines, anchored to the plot, so that they stand still while spans move. */
function hatch(ctx: CanvasRenderingContext2D, plane: Plane, from: number, width: number, colour: string): void {
  ctx.save();
  ctx.beginPath();
  ctx.rect(from, plane.top, width, plane.height);
  ctx.clip();
  ctx.strokeStyle = colour;
  ctx.globalAlpha = 0.75;
  ctx.lineWidth = 2 * plane.ratio;
  const step = 7 * plane.ratio;
  ctx.beginPath();
  const start = plane.left - plane.height + Math.floor((from - plane.left) / step) * step;
  for (let x = start; x < from + width; x += step) {
    ctx.moveTo(x, plane.top + plane.height);
    ctx.lineTo(x + plane.height, plane.top);
  }
  ctx.stroke();
  ctx.restore();
}

/** What spans say, such as why nobody looked and for how long: over the lines, where there is room for the words. */
export function paintLabels(ctx: CanvasRenderingContext2D, plane: Plane, spans: readonly LabelledSpan[], palette: Palette): void {
  ctx.save();
  ctx.font = `${11 * plane.ratio}px ${palette.font}`;
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.lineJoin = "round";
  ctx.lineWidth = 5 * plane.ratio;
  ctx.strokeStyle = palette["surface-1"];
  ctx.fillStyle = palette.text;
  let reach = plane.left;
  for (const span of spans) {
    const at = edges(span, plane);
    if (span.label === "" || !at || at.width < 20 * plane.ratio) continue;
    const half = ctx.measureText(span.label).width / 2;
    const middle = Math.min(Math.max(at.from + at.width / 2, plane.left + half), plane.left + plane.width - half);
    // The words may stand a little over the edges of their span, but never so far that they seem to belong elsewhere.
    if (half * 2 > at.width + 120 * plane.ratio || middle - half < reach) continue;
    const y = plane.top + plane.height / 2;
    ctx.strokeText(span.label, middle, y);
    ctx.fillText(span.label, middle, y);
    reach = middle + half + 6 * plane.ratio;
  }
  ctx.restore();
}

export type Bars = {
  x: readonly number[];
  tops: readonly (readonly (number | null)[])[];
  colours: readonly string[];
  widthMs: number;
};

export function paintBars(ctx: CanvasRenderingContext2D, plane: Plane, bars: Bars): void {
  ctx.save();
  ctx.beginPath();
  ctx.rect(plane.left, plane.top, plane.width, plane.height);
  ctx.clip();
  const whole = plane.xOf(bars.widthMs) - plane.xOf(0);
  const width = Math.max(whole - Math.min(1.2 * plane.ratio, whole / 4), plane.ratio);
  bars.tops.forEach((tops, part) => {
    ctx.fillStyle = bars.colours[part] ?? "";
    tops.forEach((top, at) => {
      if (top === null) return;
      const [low, high] = [plane.yOf(bars.tops[part - 1]?.[at] ?? 0), plane.yOf(top)];
      ctx.fillRect(plane.xOf(bars.x[at] ?? 0) - width / 2, high, width, low - high);
    });
  });
  ctx.restore();
}
