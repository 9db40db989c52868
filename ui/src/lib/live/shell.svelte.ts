// What stands over every screen: which dialog is open, and the question before monitors are removed.

import type { Incident } from "../ipc/bindings";

/** An incident about which somebody wants to leave a note. */
type AckQuestion = Pick<Incident, "id" | "monitorName" | "acknowledged">;
type RemoveQuestion = { count: number; name: string; answer: (remove: boolean) => void };

class Shell {
  palette = $state(false);
  shortcuts = $state(false);
  closing = $state(false);
  acknowledging = $state.raw<AckQuestion | null>(null);
  removal = $state.raw<RemoveQuestion | null>(null);

  askRemoval = (count: number, name: string): Promise<boolean> => {
    this.removal?.answer(false);
    return new Promise((answer) => {
      this.removal = { count, name, answer };
    });
  };

  answerRemoval(remove: boolean): void {
    this.removal?.answer(remove);
    this.removal = null;
  }

  /** Keys of the screen below do nothing meanwhile. */
  get busy(): boolean {
    return this.palette || this.shortcuts || this.closing || this.acknowledging !== null || this.removal !== null;
  }
}

export const shell = new Shell();

/** Whether a key was meant for a field or an open menu, not for the screen. */
export function isTyping(event: KeyboardEvent): boolean {
  const target = event.target;
  if (!(target instanceof Element)) return false;
  return target.closest("input:not([type=radio]):not([type=checkbox]), textarea, select, [contenteditable], dialog, [role=menu]") !== null;
}
