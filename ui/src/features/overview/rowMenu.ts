// What can be done to a row, for its menu and for the bar over a selection.
import type { App } from "../../lib/app";
import type { BoardRow } from "../../lib/ipc/bindings";
import { t } from "../../lib/i18n";
import { PAUSES_MS } from "../../lib/live/actions";
import { shell } from "../../lib/live/shell.svelte";
import { router } from "../../lib/route.svelte";
import type { MenuItem } from "../../lib/ui/Menu.svelte";

const DAY_MS = 86_400_000;
const YEAR_MS = 365 * DAY_MS;

/** The lengths of a pause, or going on where all are paused. */
export function pauseItems({ actions }: App, rows: readonly BoardRow[], icons: boolean): MenuItem[] {
  const ids = rows.map((row) => row.id);
  const names = [t("pause_1h"), t("pause_8h"), t("pause_until_resumed")];
  const pauses = PAUSES_MS.map((ms, index): MenuItem => ({
    kind: "item", label: names[index] ?? "", ...(icons ? { icon: "pause" as const } : {}), run: () => void actions.pause(ids, ms),
  }));
  const paused = rows.filter((row) => row.state === "paused");
  const resume: MenuItem = { kind: "item", label: t("resume"), icon: "play", run: () => void actions.resume(ids) };
  if (paused.length === rows.length) return [resume];
  return paused.length > 0 ? [...pauses, resume] : pauses;
}

/** Asks for a note, with the one that is there already. */
async function acknowledge({ core, clock }: App, row: BoardRow, incident: string): Promise<void> {
  const page = await core.incidents(row.id, clock.now - YEAR_MS, clock.now + DAY_MS, 50).catch(() => null);
  const acknowledged = page?.incidents.find((one) => one.id === incident)?.acknowledged ?? null;
  shell.acknowledging = { id: incident, monitorName: row.name, acknowledged };
}

export function rowItems(app: App, row: BoardRow): MenuItem[] {
  const { actions } = app;
  const { incident } = row;
  const ofIncident: MenuItem[] = incident === null ? [] : [
    { kind: "item", label: t("incident_ack"), icon: "check", run: () => void acknowledge(app, row, incident) },
    { kind: "item", label: t("show_incident"), icon: "incidents", run: () => router.go({ name: "incidents" }) },
    { kind: "line" },
  ];
  return [
    { kind: "item", label: t("open"), icon: "overview", hint: "Enter", run: () => router.go({ name: "monitor", id: row.id }) },
    { kind: "item", label: t("check_now"), icon: "refresh", hint: "R", run: () => void actions.checkNow([row.id]) },
    { kind: "line" },
    ...ofIncident,
    ...pauseItems(app, [row], true),
    { kind: "line" },
    { kind: "item", label: t("edit"), icon: "edit", run: () => router.go({ name: "edit", id: row.id }) },
    { kind: "item", label: t("remove_dots"), icon: "trash", danger: true, run: () => void actions.remove([row.id], row.name) },
  ];
}
