// Where something that opens stands, so that it stays inside the window.

export type Side = "below-start" | "below-end" | "below-centre";

const AWAY = 6;
const EDGE = 8;

/** Into the top layer, above dialogs too; an engine without popovers shows it where it stands. */
export function raise(element: HTMLElement): void {
  if ("showPopover" in element && !element.matches(":popover-open")) element.showPopover();
}

export function place(of: HTMLElement, anchor: { left: number; right: number; top: number; bottom: number }, side: Side): void {
  const box = of.getBoundingClientRect();
  const wanted =
    side === "below-start" ? anchor.left
    : side === "below-end" ? anchor.right - box.width
    : (anchor.left + anchor.right - box.width) / 2;
  const below = anchor.bottom + AWAY;
  const above = anchor.top - AWAY - box.height;
  const top = below + box.height > window.innerHeight - EDGE && above > EDGE ? above : below;
  of.style.left = `${Math.max(EDGE, Math.min(wanted, window.innerWidth - box.width - EDGE))}px`;
  of.style.top = `${Math.max(EDGE, Math.min(top, window.innerHeight - box.height - EDGE))}px`;
}
