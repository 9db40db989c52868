// How the table is looked at. Outlives the screen, so that coming back from a monitor finds everything as it was.
import { SvelteSet } from "svelte/reactivity";
import type { State } from "../../lib/ipc/bindings";
import { NO_FILTER, type Filter, type SortKey } from "./lines";

class OverviewView {
  filter = $state.raw<Filter>(NO_FILTER);
  sort = $state<SortKey>("state");
  days = $state<7 | 30 | 90 | 365>(90);
  readonly collapsed = new SvelteSet<string>();
  readonly selected = new SvelteSet<string>();
  scrollTop = 0;
  /** The row that the keyboard is on. */
  focused = $state.raw<string | null>(null);

  change(part: Partial<Filter>): void {
    this.filter = { ...this.filter, ...part };
  }

  toggleState(state: State): void {
    const states = new Set(this.filter.states);
    if (!states.delete(state)) states.add(state);
    this.change({ states });
  }

  toggleGroup(name: string): void {
    if (!this.collapsed.delete(name)) this.collapsed.add(name);
  }

  toggleSelected(id: string): void {
    if (!this.selected.delete(id)) this.selected.add(id);
  }

  clear(): void {
    this.filter = NO_FILTER;
  }
}

export const view = new OverviewView();
