// How a figure is told: one line of JSON, read by `cargo xtask bench`.

export function sorted(values) {
  return [...values].sort((a, b) => a - b);
}

export const median = (values) => sorted(values)[Math.floor(values.length / 2)];
export const quantile = (values, q) => sorted(values)[Math.round((values.length - 1) * q)];
export const spread = (values, unit, digits = 0) =>
  `${Math.min(...values).toFixed(digits)}–${Math.max(...values).toFixed(digits)} ${unit}`;

/** `ratio` is the figure divided by the limit of the same run. */
export function tell(bench, { figure, spread = null, limit = null, ratio = null, reach, counted }) {
  console.log(JSON.stringify({ bench, figure, spread, limit, ratio: ratio?.toFixed(2) ?? null, reach, counted }));
}

/** A figure beside the bare app's, both in milliseconds. */
export function tellBeside(bench, ours, bare, most, counted) {
  const [a, b] = [median(ours), median(bare)];
  tell(bench, {
    figure: `${a.toFixed(0)} ms, ${(a - b).toFixed(0)} ms more than bare`,
    spread: spread(ours, "ms"),
    limit: `${b.toFixed(0)} ms (bare, ${spread(bare, "ms")})`,
    ratio: a / b,
    reach: `≤ bare + ${most} ms`,
    counted,
  });
}
