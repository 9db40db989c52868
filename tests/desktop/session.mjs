// One test's world: a home of its own, a session bus, a desktop, and the app in it.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { openBus } from "./bus.mjs";
import { Client } from "./client.mjs";
import { Desktop } from "./desktop.mjs";
import { Page } from "./page.mjs";
import { isAlive, tree, webViews } from "./process.mjs";
import { start, stop } from "./programs.mjs";
import { until } from "./wait.mjs";

// The driver starts the app, so that how it ended has to be written down.
const WRAPPER = `#!/bin/sh
here=$(dirname "$0")
"$E2E_APP" "$@" &
echo $! > "$here/app.pid"
wait $!
echo $? > "$here/app.code"
`;

export class Session {
  #driver = null;
  #bus = null;
  #pid = null;
  #child = null;
  /** Servers and other things that end with the test. */
  #ends = [];
  desktop = null;
  page = null;

  constructor({ folder, display, programs, quick }) {
    Object.assign(this, { folder, display, programs, quick });
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const name of ["home", "run", "config", "share", "cache"]) mkdirSync(join(folder, name), { mode: 0o700 });
    this.config = join(folder, "config.yml");
    this.data = join(folder, "data");
    this.log = join(folder, "app.log");
    this.env = {
      PATH: process.env.PATH,
      E2E_APP: programs.app,
      HOME: join(folder, "home"),
      XDG_RUNTIME_DIR: join(folder, "run"),
      XDG_CONFIG_HOME: join(folder, "config"),
      XDG_DATA_HOME: join(folder, "share"),
      XDG_CACHE_HOME: join(folder, "cache"),
      DISPLAY: display.name,
      GDK_BACKEND: "x11",
      NO_AT_BRIDGE: "1",
      WEBKIT_DISABLE_DMABUF_RENDERER: "1",
      LANG: "C.UTF-8",
      TZ: "UTC",
      RUST_BACKTRACE: "0",
      DBUS_SESSION_BUS_ADDRESS: `unix:path=${join(folder, "nobody")}`,
    };
    writeFileSync(join(folder, "app.sh"), WRAPPER, { mode: 0o755 });
  }

  /** Starts the session bus and the desktop on it. */
  async withDesktop() {
    const log = join(this.folder, "desktop.log");
    const bus = await openBus(this.folder, { env: this.env, log });
    this.#bus = bus.child;
    this.env = { ...this.env, DBUS_SESSION_BUS_ADDRESS: bus.address };
    this.desktop = await Desktop.open(this.programs.python, this.env, log);
    return this;
  }

  /** A server that ends with the test. */
  async server(made) {
    const server = await made;
    this.#ends.push(() => server.stop());
    return server;
  }

  /** Puts a configuration in place, as editors do. */
  configure(text) {
    writeFileSync(`${this.config}.new`, text);
    renameSync(`${this.config}.new`, this.config);
  }

  fileText = () => readFileSync(this.config, "utf8");
  logText = () => readFileSync(this.log, "utf8");

  #args(more) {
    return ["--config", this.config, "--data-dir", this.data, ...more];
  }

  /** Starts the app under automation, with its window. */
  async open(...more) {
    const port = await freePort();
    const base = `http://127.0.0.1:${port}`;
    const env = { ...this.env, TAURI_WEBVIEW_AUTOMATION: "true" };
    this.#driver = start("WebKitWebDriver", ["--host=127.0.0.1", `--port=${port}`], { env, log: this.log });
    await until("the driver answers", () => Client.ready(base));
    const client = await Client.open(base, join(this.folder, "app.sh"), this.#args(more));
    this.#pid = Number(readFileSync(join(this.folder, "app.pid"), "utf8"));
    this.page = new Page(client);
    await this.page.listen();
    return this.page;
  }

  /** Starts the app as the desktop does, without automation. */
  launch(...more) {
    this.#child = start(this.programs.app, this.#args(more), { env: this.env, log: this.log });
    this.#pid = this.#child.pid;
    return this.#child;
  }

  /** The same behind words that put it elsewhere, and become it. */
  launchIn([program, ...words], ...more) {
    this.#child = start(program, [...words, this.programs.app, ...this.#args(more)], { env: this.env, log: this.log });
    this.#pid = this.#child.pid;
    return this.#child;
  }

  /** Starts the app once more beside the one that runs; gives its exit code and time. */
  async again(...more) {
    const began = Date.now();
    const child = start(this.programs.app, this.#args(more), { env: this.env, log: this.log });
    const late = setTimeout(() => child.kill("SIGKILL"), 20_000);
    const { code } = await child.ended;
    clearTimeout(late);
    return { code, ms: Date.now() - began };
  }

  get pid() {
    return this.#pid;
  }

  isRunning = () => this.#pid !== null && isAlive(this.#pid);
  webViews = () => webViews(this.#pid);
  windows = () => this.display.windows(this.#pid);

  /** Closes the window from outside and waits until the web view is gone. */
  async closeWindow() {
    await this.display.closeWindow(this.#pid);
    await until("the web view is gone", () => this.webViews().length === 0);
    await until("the window is gone", () => this.windows().length === 0);
  }

  /** After the window was made anew: the automation goes on in it. */
  async inNewWindow() {
    await until("the new window can be driven", () => this.page.follow());
    await this.page.listen();
    return this.page;
  }

  /** Waits for the app's end; its exit code. */
  async ended(within = 6_000) {
    await until("the app ends", () => !this.isRunning(), { within });
    if (this.#child) return (await this.#child.ended).code;
    return until("its exit code is known", () => readFileSync(join(this.folder, "app.code"), "utf8").trim()).then(Number);
  }

  /** Ends the app without a word, where it still runs; the rest of the session stays. */
  async kill() {
    if (this.#pid !== null) {
      for (const { pid } of tree(this.#pid)) quietly(() => process.kill(pid, "SIGKILL"));
      await until("the app is gone", () => !this.isRunning());
    }
    await stop(this.#driver);
    this.#driver = this.#child = this.#pid = this.page = null;
  }

  async close() {
    await this.kill();
    await this.desktop?.close();
    await stop(this.#bus);
    for (const end of this.#ends) await end();
  }
}

function quietly(work) {
  try {
    work();
  } catch {
    // It was gone already.
  }
}

function freePort() {
  return new Promise((done) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}
