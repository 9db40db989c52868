// What a person can do to monitors from any screen: the call, the notice, the way back.
import { describe } from "../ipc/errors";
import type { Core } from "../ipc/client";
import { t } from "../i18n";
import { duration } from "../format";
import type { Toasts } from "./toasts.svelte";

/** The lengths of a pause that are offered; null is until resumed. */
export const PAUSES_MS = [3_600_000, 8 * 3_600_000, null] as const;

export class Actions {
  #core: Core;
  #toasts: Toasts;
  #now: () => number;
  #confirm: (count: number, name: string) => Promise<boolean>;

  /** `confirm` asks whether monitors shall really go. */
  constructor(core: Core, toasts: Toasts, now: () => number, confirm: (count: number, name: string) => Promise<boolean>) {
    this.#core = core;
    this.#toasts = toasts;
    this.#now = now;
    this.#confirm = confirm;
  }

  /** An empty list means all, here and below. */
  checkNow(ids: string[]): Promise<boolean> {
    return this.#try(async () => {
      await this.#core.checkNow(ids);
      this.#toasts.say(ids.length === 0 ? t("did_check_all") : t("did_check", { count: ids.length }));
    });
  }

  pause(ids: string[], forMs: number | null): Promise<boolean> {
    return this.#try(async () => {
      await this.#core.pause(ids, forMs === null ? null : this.#now() + forMs);
      const text = forMs === null ? t("did_pause") : t("did_pause_for", { time: duration(forMs, 1) });
      this.#toasts.say(text, { label: t("resume"), run: () => void this.resume(ids) });
    });
  }

  resume(ids: string[]): Promise<boolean> {
    return this.#try(async () => {
      await this.#core.resume(ids);
      this.#toasts.say(t("did_resume"));
    });
  }

  /** Asks first. True when they are gone. */
  async remove(ids: string[], name: string): Promise<boolean> {
    if (!(await this.#confirm(ids.length, name))) return false;
    let gone = false;
    await this.#try(async () => {
      const outcome = await this.#core.removeMonitors(ids);
      if (outcome.outcome === "refused") this.#toasts.fail(outcome.errors[0]?.what ?? t("failed_unknown", { why: "" }));
      else if (outcome.outcome === "conflict") this.#toasts.fail(t("file_changed"));
      else {
        gone = true;
        const { base } = outcome;
        const undo = outcome.undo ? { label: t("undo"), undo: true as const, run: () => void this.undo(base) } : null;
        this.#toasts.say(ids.length === 1 ? t("did_remove_one", { name }) : t("did_remove", { count: ids.length }), undo);
      }
    });
    return gone;
  }

  /** Takes back the save that led to `base`. */
  undo(base: string): Promise<boolean> {
    return this.#try(async () => {
      const outcome = await this.#core.undo(base);
      if (outcome.outcome === "saved") this.#toasts.say(t("did_undo"));
      else this.#toasts.fail(t("file_changed"));
    });
  }

  acknowledge(incident: string, note: string): Promise<boolean> {
    return this.#try(() => this.#core.acknowledge(incident, note));
  }

  async #try(run: () => Promise<void>): Promise<boolean> {
    try {
      await run();
      return true;
    } catch (error) {
      this.#toasts.fail(describe(error));
      return false;
    }
  }
}
