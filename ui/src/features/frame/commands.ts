// What can be run from the palette.
import type { App } from "../../lib/app";
import { describe } from "../../lib/ipc/errors";
import { t } from "../../lib/i18n";
import { router } from "../../lib/route.svelte";
import { shell } from "../../lib/live/shell.svelte";
import type { IconName } from "../../lib/ui/Icon.svelte";

export type Command = { id: string; label: string; icon: IconName; hint?: string; run: () => void };

const HOUR_MS = 3_600_000;

export function commandsOf({ actions, board, clock, core, preferences, toasts }: App): Command[] {
  const counts = board.summary?.counts;
  const some = counts !== undefined && counts.monitors > 0;
  const attempt = (run: () => Promise<unknown>) => () => void run().catch((error: unknown) => toasts.fail(describe(error)));
  const theme = (name: "light" | "dark" | "system"): Command => ({
    id: `theme-${name}`, label: t(`cmd_theme_${name}`), icon: "theme", run: attempt(() => preferences.set({ theme: name })),
  });
  const usual: Command[] = [
    { id: "add", label: t("add_monitor"), icon: "plus", hint: "N", run: () => router.go({ name: "new" }) },
    ...(some
      ? [
          { id: "check", label: t("cmd_check_all"), icon: "refresh", run: () => void actions.checkNow([]) } as const,
          { id: "pause-1h", label: t("cmd_pause_1h"), icon: "pause", run: () => void actions.pause([], HOUR_MS) } as const,
          { id: "pause-8h", label: t("cmd_pause_8h"), icon: "pause", run: () => void actions.pause([], 8 * HOUR_MS) } as const,
          { id: "pause", label: t("cmd_pause"), icon: "pause", run: () => void actions.pause([], null) } as const,
        ]
      : []),
    ...(counts && counts.paused > 0 ? [{ id: "resume", label: t("cmd_resume"), icon: "play", run: () => void actions.resume([]) } as const] : []),
    board.summary?.mutedUntilMs
      ? { id: "unmute", label: t("cmd_unmute"), icon: "info", run: attempt(() => core.mute(null)) }
      : { id: "mute", label: t("cmd_mute_1h"), icon: "info", run: attempt(() => core.mute(clock.now + HOUR_MS)) },
    { id: "overview", label: t("overview"), icon: "overview", run: () => router.go({ name: "overview" }) },
    { id: "incidents", label: t("incidents"), icon: "incidents", run: () => router.go({ name: "incidents" }) },
    { id: "storage", label: t("storage"), icon: "storage", run: () => router.go({ name: "storage" }) },
    { id: "secrets", label: t("secrets"), icon: "key", run: () => router.go({ name: "secrets" }) },
    { id: "settings", label: t("settings"), icon: "settings", run: () => router.go({ name: "settings" }) },
  ];
  return [
    ...usual,
    ...(["light", "dark", "system"] as const).filter((name) => name !== preferences.value.theme).map(theme),
    { id: "shortcuts", label: t("cmd_shortcuts"), icon: "keyboard", hint: "?", run: () => (shell.shortcuts = true) },
  ];
}
