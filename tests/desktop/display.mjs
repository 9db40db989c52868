// A display with a window manager, for all tests; and what is seen and done on it from outside the app.
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { openBus } from "./bus.mjs";
import { firstLine, start, stop } from "./programs.mjs";
import { until } from "./wait.mjs";

/** The window has 1280×800 and a frame. */
const SIZE = "1400x900x24";

export class Display {
  static async open(folder) {
    const display = new Display();
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const log = join(folder, "display.log");
    display.server = start("Xvfb", ["-displayfd", "3", "-screen", "0", SIZE, "-nolisten", "tcp"], {
      env: process.env, log, stdio: ["ignore", "log", "log", "pipe"],
    });
    display.name = `:${await firstLine(display.server.stdio[3], /(\d+)\n/, "Xvfb")}`;
    // It asks for its settings on a session bus, which is of no concern to the app.
    const env = { PATH: process.env.PATH, HOME: folder, XDG_RUNTIME_DIR: folder, DISPLAY: display.name, LANG: "C.UTF-8", NO_AT_BRIDGE: "1" };
    try {
      const bus = await openBus(folder, { env, log, services: true });
      display.bus = bus.child;
      display.manager = start("xfwm4", ["--compositor=off"], { env: { ...env, DBUS_SESSION_BUS_ADDRESS: bus.address }, log });
      await until("the window manager runs", () => display.#xdotool("get_desktop") !== null);
    } catch (error) {
      await display.close();
      throw error;
    }
    return display;
  }

  async close() {
    await stop(this.manager);
    await stop(this.bus);
    await stop(this.server);
  }

  #xdotool(...args) {
    const done = spawnSync("xdotool", args, { env: { ...process.env, DISPLAY: this.name }, encoding: "utf8", timeout: 10_000 });
    return done.status === 0 ? done.stdout.trim() : null;
  }

  /** The app's windows that are on the screen. */
  windows(pid) {
    const found = this.#xdotool("search", "--all", "--onlyvisible", "--pid", String(pid), "--name", "Hall Monitor");
    return found ? found.split("\n") : [];
  }

  /** Closes a window as a person does: by the window manager. */
  async closeWindow(pid) {
    const [window] = await until("a window is there to be closed", () => (this.windows(pid).length > 0 ? this.windows(pid) : null));
    await until("the window has the focus", () => {
      this.#xdotool("windowactivate", window);
      return this.#xdotool("getactivewindow") === window;
    });
    this.#xdotool("key", "--clearmodifiers", "alt+F4");
  }

  /** Waits for a window of this name, as dialogs of the desktop have one, and gives it the focus. */
  async dialog(name) {
    const window = await until(`there is a dialog “${name}”`, () => this.#xdotool("search", "--onlyvisible", "--name", name)?.split("\n")[0]);
    await until("the dialog has the focus", () => {
      this.#xdotool("windowactivate", window);
      return this.#xdotool("getactivewindow") === window;
    });
    const press = (key) => this.#xdotool("key", "--clearmodifiers", key);
    const type = async (text) => {
      const before = await this.#still(window);
      // The first letter opens a line to type into: the dialog looks different then.
      this.#xdotool("type", text[0]);
      await until("the dialog has a line to type into", async () => (await this.#still(window)) !== before);
      this.#xdotool("type", "--delay", "20", text.slice(1));
    };
    return { type, press };
  }

  /** How a window looks, once it looks the same for a moment. */
  #still(window) {
    const looks = () => spawnSync("import", ["-window", window, "-format", "%#", "info:"], { env: { ...process.env, DISPLAY: this.name }, encoding: "utf8", timeout: 20_000 }).stdout;
    let last = looks();
    return until("the window is drawn", () => {
      const now = looks();
      const isSame = now === last && now !== "";
      last = now;
      return isSame ? now : null;
    });
  }

  hasDialog = (name) => this.#xdotool("search", "--onlyvisible", "--name", name) !== null;

  /** How many colours a window has: one that is not painted yet has few. */
  colours(window) {
    const done = spawnSync("import", ["-window", window, "-format", "%k", "info:"], { env: { ...process.env, DISPLAY: this.name }, encoding: "utf8", timeout: 20_000 });
    return Number(done.stdout) || 0;
  }

  /** Moves and sizes a window as a person does. */
  place(window, { x, y, width, height }) {
    this.#xdotool("windowsize", "--sync", window, String(width), String(height));
    this.#xdotool("windowmove", window, String(x), String(y));
  }

  /** Where a window is and how large, without its frame. */
  geometry(window) {
    const told = this.#xdotool("getwindowgeometry", "--shell", window) ?? "";
    const number = (name) => Number(new RegExp(`^${name}=(-?\\d+)$`, "m").exec(told)?.[1]);
    return { x: number("X"), y: number("Y"), width: number("WIDTH"), height: number("HEIGHT") };
  }

  /** The windows of a program, by its class. */
  windowsOf(name) {
    const found = this.#xdotool("search", "--onlyvisible", "--class", name);
    return found ? found.split("\n") : [];
  }

  /** Types into whatever has the keyboard. */
  type(text) {
    this.#xdotool("type", "--delay", "30", text);
  }

  /** Presses a key. */
  press(key) {
    this.#xdotool("key", "--clearmodifiers", key);
  }

  picture(file) {
    spawnSync("import", ["-window", "root", file], { env: { ...process.env, DISPLAY: this.name }, timeout: 20_000 });
  }
}
