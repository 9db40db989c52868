// The app and the bare one, each in a desktop session of its own on one display.
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { Session } from "../../tests/desktop/session.mjs";
import { until } from "../../tests/desktop/wait.mjs";

export class World {
  #sessions = [];

  constructor({ folder, display, programs, bare }) {
    Object.assign(this, { folder, display, programs, bareProgram: bare });
  }

  /** A session in which the app uses a prepared folder. */
  async ours(data) {
    const session = await this.#session(this.programs.app);
    session.config = join(this.folder, data, "config.yml");
    session.data = join(this.folder, data, "data");
    return session;
  }

  /** A session in which the app has a folder of its own. */
  fresh = () => this.#session(this.programs.app);
  bare = () => this.#session(this.bareProgram);

  async #session(app) {
    const folder = join(mkdtempSync(join(this.folder, "session-")), "s");
    const session = new Session({ folder, display: this.display, programs: { ...this.programs, app }, quick: false });
    this.#sessions.push(session);
    return session.withDesktop();
  }

  /** Ends what a measurement that failed left behind. */
  async close() {
    for (const session of this.#sessions) await session.close();
  }
}

/** Ends an app as the system does, so that it keeps what it saw. */
export async function end(session) {
  process.kill(session.pid, "SIGTERM");
  await until("the app ends", () => !session.isRunning());
}
