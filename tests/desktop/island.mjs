// A network namespace with one cable to a server in another; the cable can be pulled.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { start, stop } from "./programs.mjs";
import { isAlive } from "./process.mjs";
import { until } from "./wait.mjs";

const here = (name) => new URL(name, import.meta.url).pathname;

export class Island {
  #holder;
  address = "10.83.0.1";
  port = 8025;

  static async open(folder) {
    const island = new Island();
    island.folder = join(folder, "island");
    mkdirSync(island.folder, { recursive: true });
    // Without privileges it is somebody's own namespace in which he may make networks.
    const own = process.getuid() === 0 ? [] : ["--user", "--map-current-user", "--keep-caps"];
    const args = [...own, "--net", "sh", here("island.sh"), island.folder, process.execPath, here("island-server.mjs")];
    island.#holder = start("unshare", args, { env: process.env, log: join(island.folder, "island.log") });
    await until("the network of the test is made", () => existsSync(join(island.folder, "ready")));
    island.server = Number(readFileSync(join(island.folder, "server.pid"), "utf8"));
    return island;
  }

  /** The words before a command that put it there. */
  enter() {
    const own = process.getuid() === 0 ? [] : ["--user", "--preserve-credentials"];
    return ["nsenter", "--target", String(this.#holder.pid), ...own, "--net", "--"];
  }

  /** Plugs the cable in or pulls it: `up`, `down`. */
  link(state) {
    const [program, ...args] = [...this.enter(), "ip", "link", "set", "inside", state];
    const done = spawnSync(program, args, { encoding: "utf8" });
    if (done.status !== 0) throw new Error(`the cable cannot be set ${state}: ${done.stderr}`);
    // A cable that was pulled takes the way out with it.
    if (state === "up") spawnSync(program, [...this.enter().slice(1), "ip", "route", "add", "default", "via", this.address]);
  }

  /** The server listens no more; its end of the cable stays. */
  stopServer() {
    process.kill(this.server, "SIGUSR2");
  }

  async stop() {
    if (isAlive(this.server)) process.kill(this.server, "SIGKILL");
    await stop(this.#holder);
  }
}
