// Incidents by the day they began, newest first; those still open stand on their own. Pure.
import { dayOf, dayStart } from "../../lib/format";
import type { Incident } from "../../lib/ipc/bindings";

export type IncidentDay = { date: string; startMs: number; incidents: Incident[] };

export function byDay(incidents: readonly Incident[]): { open: Incident[]; days: IncidentDay[] } {
  const open: Incident[] = [];
  const days = new Map<string, IncidentDay>();
  for (const incident of incidents) {
    if (incident.endedMs === null) {
      open.push(incident);
      continue;
    }
    const date = dayOf(incident.openedMs);
    const day = days.get(date);
    if (day) day.incidents.push(incident);
    else days.set(date, { date, startMs: dayStart(date), incidents: [incident] });
  }
  return { open, days: [...days.values()] };
}
