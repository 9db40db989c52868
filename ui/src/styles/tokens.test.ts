// Contrast of what is written and drawn on what, in both themes, from the tokens themselves.
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

type Colour = { l: number; c: number; h: number };

const css = readFileSync("src/styles/tokens.css", "utf8");

function tokens(theme: "light" | "dark"): Map<string, Colour> {
  const pattern = /--([\w-]+):\s*light-dark\(oklch\(([\d. ]+)\),\s*oklch\(([\d. ]+)\)\)/g;
  return new Map(
    [...css.matchAll(pattern)].map(([, name = "", light = "", dark = ""]) => {
      const [l = 0, c = 0, h = 0] = (theme === "light" ? light : dark).split(" ").map(Number);
      return [name, { l, c, h }];
    }),
  );
}

/** Relative luminance, by way of OKLab and linear sRGB. */
function luminance({ l, c, h }: Colour): number {
  const a = c * Math.cos((h * Math.PI) / 180);
  const b = c * Math.sin((h * Math.PI) / 180);
  const long = (l + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const medium = (l - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const short = (l - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const clip = (value: number) => Math.max(0, Math.min(1, value));
  const red = clip(4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short);
  const green = clip(-1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short);
  const blue = clip(-0.0041960863 * long - 0.7034186147 * medium + 1.707614701 * short);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one: Colour, other: Colour): number {
  const [light = 0, dark = 0] = [luminance(one), luminance(other)].sort((x, y) => y - x);
  return (light + 0.05) / (dark + 0.05);
}

const surfaces = ["surface-0", "surface-1", "surface-2", "surface-3"];
const texts: [string, string[]][] = [
  ["text", [...surfaces, "accent-soft", "down-soft", "degraded-soft", "up-soft"]],
  ["text-muted", [...surfaces, "accent-soft"]],
  ["accent", ["surface-0", "surface-1", "accent-soft"]],
  ["up-text", ["surface-0", "surface-1", "up-soft"]],
  ["degraded-text", ["surface-0", "surface-1", "surface-2", "degraded-soft", "accent-soft"]],
  ["down-text", ["surface-0", "surface-1", "surface-2", "surface-3", "down-soft", "accent-soft"]],
  ["on-accent", ["accent", "accent-hover"]],
  ["on-down", ["down", "down-text"]],
];
const marks: [string, string[]][] = [
  ...["up", "degraded", "down", "maintenance", "paused", "unobserved"].map((name): [string, string[]] => [name, ["surface-0", "surface-1"]]),
  ["line-strong", ["surface-0", "surface-1", "surface-2"]],
  ["focus", surfaces],
];

describe.each(["light", "dark"] as const)("in the %s theme", (theme) => {
  const found = tokens(theme);
  const pairs = (list: [string, string[]][]) => list.flatMap(([front, backs]) => backs.map((back) => [front, back] as const));
  const ratio = (front: string, back: string) => {
    const [one, other] = [found.get(front), found.get(back)];
    if (!one || !other) throw new Error(`no token ${one ? back : front}`);
    return contrast(one, other);
  };

  test.each(pairs(texts))("%s can be read on %s", (front, back) => expect(ratio(front, back)).toBeGreaterThanOrEqual(4.5));
  test.each(pairs(marks))("%s can be seen on %s", (front, back) => expect(ratio(front, back)).toBeGreaterThanOrEqual(3));
});
