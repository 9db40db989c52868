// A line diff for two versions of a small file, side by side.

export type DiffRow = {
  /** Null where the line stands only on the other side. */
  left: string | null;
  right: string | null;
  same: boolean;
};

/** Beyond this many cells the table of the longest common subsequence would cost too much: the middle is shown as changed. */
const MOST_CELLS = 4_000_000;

export function diffLines(left: string, right: string): DiffRow[] {
  const [a, b] = [left.split("\n"), right.split("\n")];
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  const same = (lines: string[]): DiffRow[] => lines.map((line) => ({ left: line, right: line, same: true }));
  return [
    ...same(a.slice(0, start)),
    ...middle(a.slice(start, a.length - end), b.slice(start, b.length - end)),
    ...same(a.slice(a.length - end)),
  ];
}

function middle(a: string[], b: string[]): DiffRow[] {
  if (a.length * b.length > MOST_CELLS) return paired(a, b);
  const width = b.length + 1;
  const common = new Uint32Array((a.length + 1) * width);
  const cell = (i: number, j: number): number => common[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      common[i * width + j] = a[i] === b[j] ? cell(i + 1, j + 1) + 1 : Math.max(cell(i + 1, j), cell(i, j + 1));
    }
  }
  const rows: DiffRow[] = [];
  let [onlyLeft, onlyRight]: [string[], string[]] = [[], []];
  const flush = (): void => {
    rows.push(...paired(onlyLeft, onlyRight));
    [onlyLeft, onlyRight] = [[], []];
  };
  let [i, j] = [0, 0];
  while (i < a.length && j < b.length) {
    const [line, other] = [a[i] ?? "", b[j] ?? ""];
    if (line === other) {
      flush();
      rows.push({ left: line, right: other, same: true });
      [i, j] = [i + 1, j + 1];
    } else if (cell(i + 1, j) >= cell(i, j + 1)) {
      onlyLeft.push(line);
      i += 1;
    } else {
      onlyRight.push(other);
      j += 1;
    }
  }
  onlyLeft.push(...a.slice(i));
  onlyRight.push(...b.slice(j));
  flush();
  return rows;
}

/** Changed lines of both sides beside each other. */
function paired(a: string[], b: string[]): DiffRow[] {
  return Array.from({ length: Math.max(a.length, b.length) }, (_, at) => ({
    left: a[at] ?? null,
    right: b[at] ?? null,
    same: false,
  }));
}

export type Folded = DiffRow | { folded: number };

/** Leaves out long stretches of equal lines, but for `around` lines beside a change. */
export function fold(rows: readonly DiffRow[], around = 3): Folded[] {
  const near = new Set<number>();
  rows.forEach((row, at) => {
    if (!row.same) for (let n = at - around; n <= at + around; n += 1) near.add(n);
  });
  const out: Folded[] = [];
  rows.forEach((row, at) => {
    if (near.has(at)) return void out.push(row);
    const last = out.at(-1);
    if (last && "folded" in last) last.folded += 1;
    else out.push({ folded: 1 });
  });
  return out;
}
