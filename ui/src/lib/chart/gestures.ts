// Pointer gestures on a plot: drag to choose a stretch, shift-drag to move, double click to go back.

export type Gesture =
  | { doing: "choose"; fromPx: number; toPx: number }
  | { doing: "move"; byPx: number };

export type GestureHandlers = {
  /** While the pointer is down; null when it ended or was given up. */
  during: (gesture: Gesture | null) => void;
  chosen: (fromPx: number, toPx: number) => void;
  moved: (byPx: number) => void;
  hover: (px: number | null) => void;
};

/** A drag shorter than this is a click. */
const CLICK_PX = 4;

/** Svelte attachment for the element that covers the plot; pixels are counted from its left edge. */
export function gestures(handlers: GestureHandlers): (over: HTMLElement) => () => void {
  return (over) => {
    let started: { px: number; moves: boolean } | null = null;
    const pxOf = (event: PointerEvent): number => {
      const box = over.getBoundingClientRect();
      return Math.min(Math.max(event.clientX - box.left, 0), box.width);
    };
    const end = (): void => {
      started = null;
      handlers.during(null);
    };
    const listeners = {
      pointerdown: (event: PointerEvent) => {
        if (event.button !== 0) return;
        started = { px: pxOf(event), moves: event.shiftKey };
        over.setPointerCapture(event.pointerId);
      },
      pointermove: (event: PointerEvent) => {
        const px = pxOf(event);
        handlers.hover(px);
        if (!started) return;
        handlers.during(
          started.moves ? { doing: "move", byPx: px - started.px } : { doing: "choose", fromPx: Math.min(started.px, px), toPx: Math.max(started.px, px) },
        );
      },
      pointerup: (event: PointerEvent) => {
        if (!started) return;
        const [from, to, moves] = [started.px, pxOf(event), started.moves];
        end();
        if (Math.abs(to - from) < CLICK_PX) return;
        if (moves) handlers.moved(to - from);
        else handlers.chosen(Math.min(from, to), Math.max(from, to));
      },
      pointercancel: end,
      pointerleave: () => {
        if (!started) handlers.hover(null);
      },
    };
    const entries = Object.entries(listeners) as [keyof typeof listeners, (event: PointerEvent) => void][];
    for (const [name, listener] of entries) over.addEventListener(name, listener);
    return () => {
      for (const [name, listener] of entries) over.removeEventListener(name, listener);
    };
  };
}
