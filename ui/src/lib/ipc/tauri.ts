// The real core, behind Tauri's commands and events.
import type { Core } from "./client";

export function connect(): Promise<Core> {
  return Promise.reject(new Error("this build has no desktop shell"));
}
