// What a person chose for the window; applied at once and kept by the core.
import type { Preferences } from "../ipc/bindings";
import type { Core } from "../ipc/client";
import { useLanguage } from "../locale.svelte";

const INITIAL: Preferences = { theme: "system", language: "system", onClose: "ask", notifications: true, startAtLogin: false };

export class PreferencesStore {
  #core: Core;
  #value = $state.raw<Preferences>(INITIAL);

  constructor(core: Core) {
    this.#core = core;
  }

  get value(): Preferences {
    return this.#value;
  }

  async load(): Promise<void> {
    this.#apply(await this.#core.preferences());
  }

  /** Goes back to what was when the core refuses. */
  async set(change: Partial<Preferences>): Promise<void> {
    const before = this.#value;
    this.#apply({ ...before, ...change });
    try {
      await this.#core.setPreferences(this.#value);
    } catch (error) {
      this.#apply(before);
      throw error;
    }
  }

  #apply(preferences: Preferences): void {
    this.#value = preferences;
    useLanguage(preferences.language);
    const root = document.documentElement;
    if (preferences.theme === "system") delete root.dataset.theme;
    else root.dataset.theme = preferences.theme;
  }
}
