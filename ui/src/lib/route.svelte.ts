// Where the window is: a typed route, kept in the hash so that it can be linked, remembered and tested.

export type Route =
  | { name: "overview" }
  | { name: "monitor"; id: string }
  | { name: "edit"; id: string }
  | { name: "new" }
  | { name: "incidents" }
  | { name: "storage" }
  | { name: "secrets" }
  | { name: "settings" }
  | { name: "first-run" };

export function parseRoute(hash: string): Route {
  const parts = hash.replace(/^#?\/?/, "").split("/").map(decoded);
  const [name, id, action] = parts;
  switch (name) {
    case "monitor":
      if (!id) return { name: "overview" };
      return action === "edit" ? { name: "edit", id } : { name: "monitor", id };
    case "new":
    case "incidents":
    case "storage":
    case "secrets":
    case "settings":
    case "first-run":
      return { name };
    default:
      return { name: "overview" };
  }
}

export function hrefOf(route: Route): string {
  switch (route.name) {
    case "monitor":
      return `#/monitor/${encodeURIComponent(route.id)}`;
    case "edit":
      return `#/monitor/${encodeURIComponent(route.id)}/edit`;
    default:
      return `#/${route.name}`;
  }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Says whether the screen may be left; asks the person where something would be lost. */
export type LeaveGuard = () => boolean | Promise<boolean>;

class Router {
  #current = $state.raw<Route>({ name: "overview" });
  #guard: LeaveGuard | null = null;
  /** Set while a guard is being asked, so that a second click does not ask twice. */
  #asking = false;

  get current(): Route {
    return this.#current;
  }

  /** Follows the hash from now on. */
  start(): void {
    this.#current = parseRoute(location.hash);
    window.addEventListener("hashchange", () => void this.#follow());
  }

  go(route: Route): void {
    location.hash = hrefOf(route);
  }

  /** A screen with unsaved changes sets a guard and calls the returned function when it is gone. */
  guard(guard: LeaveGuard): () => void {
    this.#guard = guard;
    return () => {
      if (this.#guard === guard) this.#guard = null;
    };
  }

  /** Whether nothing would be lost if the screen went; asks the person where something would be. */
  async mayLeave(): Promise<boolean> {
    if (!this.#guard) return true;
    if (this.#asking) return false;
    this.#asking = true;
    const leave = await this.#guard();
    this.#asking = false;
    return leave;
  }

  async #follow(): Promise<void> {
    const wanted = parseRoute(location.hash);
    if (hrefOf(wanted) === hrefOf(this.#current)) return;
    if (this.#guard) {
      const here = hrefOf(this.#current);
      history.replaceState(null, "", here);
      if (!(await this.mayLeave())) return;
      this.#guard = null;
      history.replaceState(null, "", hrefOf(wanted));
    }
    this.#current = wanted;
  }
}

export const router = new Router();
