// The desktop's side of the session bus: the tray icon as its host sees it, and notices as they arrive.
import { spawn } from "node:child_process";
import { openSync } from "node:fs";
import { createInterface } from "node:readline";
import { stop } from "./programs.mjs";
import { until } from "./wait.mjs";

const SCRIPT = new URL("desktop.py", import.meta.url).pathname;

export class Desktop {
  #asked = new Map();
  #number = 0;
  #ready = false;
  notices = [];

  static async open(python, env, log) {
    const desktop = new Desktop();
    desktop.child = spawn(python, [SCRIPT], { env, stdio: ["pipe", "pipe", openSync(log, "a")] });
    desktop.child.ended = new Promise((done) => desktop.child.once("exit", done));
    createInterface({ input: desktop.child.stdout }).on("line", (line) => desktop.#hear(JSON.parse(line)));
    await until("the desktop is there", () => desktop.#ready);
    await desktop.watcher(true);
    return desktop;
  }

  close = () => stop(this.child);

  #hear(said) {
    if (said.event === "ready") this.#ready = true;
    else if (said.event === "notice") this.notices.push(said);
    else if (said.id) {
      const { done, failed } = this.#asked.get(said.id);
      this.#asked.delete(said.id);
      if (said.error) failed(new Error(said.error));
      else done(said.ok);
    }
  }

  #ask(what, args = {}) {
    const id = (this.#number += 1);
    return new Promise((done, failed) => {
      this.#asked.set(id, { done, failed });
      this.child.stdin.write(`${JSON.stringify({ id, do: what, ...args })}\n`);
    });
  }

  /** Whether this desktop has a tray. */
  watcher = (there) => this.#ask("watcher", { there });
  tray = () => this.#ask("tray");
  /** Presses an item of the menu by what it says, or begins with; further words lead into menus below. */
  press = (...path) => this.#ask("press", { path });
  activate = () => this.#ask("activate");
  click = (notice) => this.#ask("click", { notice: notice.notice });

  async labels() {
    const { menu } = await this.tray();
    return menu.filter(Boolean).map((entry) => entry.label);
  }

  /** Waits for the tray to say something in its tooltip. */
  trayTells(pattern, within = 20_000) {
    return until(`the tray tells ${pattern}`, async () => {
      const tray = await this.tray();
      if (!pattern.test(tray.tooltip.join(" ").trim())) throw new Error(`it tells ${JSON.stringify(tray.tooltip)}`);
      // Its properties are given one by one: the icon that came with this may be that of before.
      return this.tray();
    }, { within });
  }

  /** Waits for a notice by its title. */
  notice(pattern, within = 20_000) {
    return until(`a notice ${pattern}`, () => {
      const found = this.notices.find(({ title }) => pattern.test(title));
      if (!found) throw new Error(`there are ${JSON.stringify(this.notices.map(({ title }) => title))}`);
      return found;
    }, { within });
  }
}
