// What every screen may use, handed down by `App.svelte`: `const { core, board, clock } = useApp()`.
import { createContext } from "svelte";
import type { Core } from "./ipc/client";
import type { Actions } from "./live/actions";
import type { LiveBoard } from "./live/board.svelte";
import type { Clock } from "./live/clock.svelte";
import type { PreferencesStore } from "./live/preferences.svelte";
import type { Toasts } from "./live/toasts.svelte";

export type App = {
  core: Core;
  board: LiveBoard;
  clock: Clock;
  toasts: Toasts;
  preferences: PreferencesStore;
  /** What can be done to monitors, with notice, undo and question where it needs one. */
  actions: Actions;
};

export const [useApp, provideApp] = createContext<App>();
