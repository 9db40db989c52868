import { expect, test, vi } from "vitest";
import type { BoardChange } from "../ipc/bindings";
import { FakeCore } from "../ipc/fake";
import { useLanguage } from "../locale.svelte";
import { LiveBoard, type Turn } from "./board.svelte";
import { sayTurns } from "./announcer.svelte";
import { RowHistories } from "./histories.svelte";

const NOW = Date.UTC(2026, 10, 26, 12, 0, 0);
const fresh = (options = {}) => new FakeCore({ now: () => NOW, size: 42, scenario: "calm", ...options });

test("what is pushed while the board is fetched is not lost, and what is older is not taken", async () => {
  const core = fresh();
  const board = new LiveBoard();
  const first = (await core.board()).rows[7]?.id ?? "";
  const fetched = core.board.bind(core);
  let stale: BoardChange | undefined;
  await core.onBoardChange((change) => (stale ??= change));
  core.board = async () => {
    const answer = fetched();
    // After the core has read its board, before the window has it.
    const read = await answer;
    core.turn(first, "down");
    return read;
  };
  await board.connect(core);
  expect(board.row(first)?.state).toBe("down");
  core.turn(first, "up");
  expect(board.row(first)?.state).toBe("up");
  expect(stale?.revision).toBeLessThan(4);
});

test("a change replaces only the rows that changed", async () => {
  const core = fresh();
  const board = new LiveBoard();
  await board.connect(core);
  const [one = "", other = ""] = board.order.slice(10);
  const before = [board.row(one), board.row(other)];
  core.turn(one, "degraded");
  expect(board.row(one)).not.toBe(before[0]);
  expect(board.row(other)).toBe(before[1]);
  expect(board.summary?.counts.degraded).toBe(1);
});

test("monitors that go leave the board, and nothing comes after the connection is closed", async () => {
  const core = fresh({ size: 5 });
  const board = new LiveBoard();
  const stop = await board.connect(core);
  const [gone = ""] = board.order;
  const removed = await core.removeMonitors([gone]);
  expect(board.order).toHaveLength(4);
  expect(board.row(gone)).toBeUndefined();
  await core.undo(removed.outcome === "saved" ? removed.base : "");
  expect(board.order).toHaveLength(5);
  stop();
  await core.removeMonitors([gone]);
  expect(board.order).toHaveLength(5);
});

test("turns are told once for all, up only after trouble", async () => {
  useLanguage("en");
  const core = fresh();
  const board = new LiveBoard();
  const turns: Turn[] = [];
  board.onTurns((more) => turns.push(...more));
  await board.connect(core);
  const [one = "", two = ""] = board.order.slice(10);
  core.turn(one, "down");
  core.turn(two, "down");
  expect(sayTurns(turns)).toBe("2 monitors went down.");
  turns.length = 0;
  core.turn(one, "up");
  expect(sayTurns(turns)).toBe(`${board.row(one)?.name} is up again.`);
});

test("histories are fetched once for the rows in view, in batches, and again when they are stale", async () => {
  vi.useFakeTimers();
  const core = fresh({ size: 200 });
  const asked = vi.spyOn(core, "rowHistories");
  const histories = new RowHistories(core);
  await histories.connect();
  const ids = (await core.board()).rows.map((row) => row.id);
  histories.want(ids.slice(0, 10));
  histories.want(ids.slice(0, 150));
  await vi.advanceTimersByTimeAsync(200);
  expect(asked.mock.calls.map(([batch]) => batch.length)).toEqual([100, 50]);
  expect(histories.of(ids[120] ?? "")?.days).toHaveLength(30);
  histories.want(ids.slice(0, 150));
  await vi.advanceTimersByTimeAsync(200);
  expect(asked).toHaveBeenCalledTimes(2);
  await core.acknowledge("x", "everything is stale");
  await vi.advanceTimersByTimeAsync(200);
  expect(asked).toHaveBeenCalledTimes(4);
  vi.useRealTimers();
});

test("a change of the summary alone is taken, whatever the revision", async () => {
  let push: (change: BoardChange) => void = () => {};
  const core = fresh({ size: 5 });
  core.onBoardChange = (handler) => {
    push = handler;
    return Promise.resolve(() => {});
  };
  const board = new LiveBoard();
  await board.connect(core);
  const { revision, summary } = await core.board();
  push({ revision, rows: [], order: null, summary: { ...summary, mutedUntilMs: summary.nowMs + 1 } });
  expect(board.summary?.mutedUntilMs).toBe(summary.nowMs + 1);
  push({ revision: revision - 1, rows: [], order: null, summary });
  expect(board.summary?.mutedUntilMs).toBe(summary.nowMs + 1);
});
