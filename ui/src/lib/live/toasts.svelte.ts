// Short notices at the edge of the window, with a way back where there is one.

/** `undo` marks the way back from a save: only the last save can be taken back. */
export type ToastAction = { label: string; run: () => void; undo?: true };
export type Toast = { id: number; tone: "plain" | "error"; text: string; action: ToastAction | null };

const STAYS_MS = 6000;
const STAYS_WITH_ACTION_MS = 12_000;
const MOST = 3;

export class Toasts {
  #shown = $state.raw<readonly Toast[]>([]);
  #next = 1;
  #timers = new Map<number, ReturnType<typeof setTimeout>>();

  get shown(): readonly Toast[] {
    return this.#shown;
  }

  say(text: string, action: ToastAction | null = null): void {
    if (action?.undo) this.#shown = this.#shown.map((old) => (old.action?.undo ? { ...old, action: null } : old));
    this.#add({ id: this.#next++, tone: "plain", text, action });
  }

  /** Stays until it is closed: what went wrong must be readable in peace. */
  fail(text: string): void {
    this.#add({ id: this.#next++, tone: "error", text, action: null });
  }

  close(id: number): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
    this.#shown = this.#shown.filter((toast) => toast.id !== id);
  }

  /** While the pointer or the focus is on a notice, it does not go. */
  hold(id: number): void {
    clearTimeout(this.#timers.get(id));
  }

  release(toast: Toast): void {
    if (toast.tone === "error") return;
    const stays = toast.action ? STAYS_WITH_ACTION_MS : STAYS_MS;
    this.#timers.set(toast.id, setTimeout(() => this.close(toast.id), stays));
  }

  #add(toast: Toast): void {
    for (const old of this.#shown.slice(0, Math.max(0, this.#shown.length + 1 - MOST))) this.close(old.id);
    this.#shown = [...this.#shown, toast];
    this.release(toast);
  }
}
