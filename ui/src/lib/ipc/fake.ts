import type { Core } from "./client";

export function connect(): Promise<Core> {
  return Promise.reject(new Error("not yet"));
}
