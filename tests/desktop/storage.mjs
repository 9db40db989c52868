// Real servers that history can go to, and a real keychain for their passwords.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { start, stop } from "./programs.mjs";
import { until } from "./wait.mjs";

export const LOGIN = "login password";

/** PostgreSQL and InfluxDB of a test's own, in the built example `storage_servers`. */
export class StorageServers {
  #child;
  #lines;
  #waiting = [];

  static async open() {
    const program = process.env.HALLMONITOR_STORAGE_SERVERS;
    if (!program) throw new Error("HALLMONITOR_STORAGE_SERVERS, the path of the built example storage_servers, is missing");
    const servers = new StorageServers();
    servers.#child = spawn(program, [], { stdio: ["pipe", "pipe", "inherit"] });
    servers.#lines = createInterface({ input: servers.#child.stdout });
    servers.#lines.on("line", (line) => servers.#waiting.shift()?.(JSON.parse(line)));
    const said = await servers.#answer();
    return Object.assign(servers, said);
  }

  #answer() {
    return new Promise((done, failed) => {
      const late = setTimeout(() => failed(new Error("the servers say nothing")), 60_000);
      this.#waiting.push((answer) => {
        clearTimeout(late);
        done(answer);
      });
    });
  }

  ask(word) {
    const answer = this.#answer();
    this.#child.stdin.write(`${word}\n`);
    return answer;
  }

  rows = () => this.ask("rows");

  async stop() {
    this.#child.stdin.end();
    if (this.#child.exitCode === null) await once(this.#child, "exit");
  }
}

/** Whether somebody on a session's bus is called so. */
async function hasOwner(t, name) {
  const asked = spawn("dbus-send", [
    "--session", "--print-reply", "--dest=org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus.NameHasOwner",
    `string:${name}`,
  ], { env: t.env, stdio: ["ignore", "pipe", "ignore"] });
  let said = "";
  asked.stdout.on("data", (data) => (said += data));
  await once(asked, "close");
  return said.includes("boolean true");
}

/** GNOME Keyring on a session's bus, unlocked as after signing in. */
export async function keychain(t, { locked = false } = {}) {
  const log = `${t.folder}/keyring.log`;
  const args = ["--foreground", "--components=secrets"];
  const child = start("gnome-keyring-daemon", locked ? args : [...args, "--unlock"], {
    env: t.env, log, stdio: [locked ? "ignore" : "pipe", "log", "log"],
  });
  if (!locked) child.stdin.end(LOGIN);
  await until("there is a Secret Service", () => hasOwner(t, "org.freedesktop.secrets"));
  return {
    stop: () => {
      child.kill("SIGCONT");
      return stop(child);
    },
    /** It is there and does not answer, as one that hangs. */
    freeze: () => child.kill("SIGSTOP"),
    thaw: () => child.kill("SIGCONT"),
  };
}

/** A Secret Service of the tests: `refuses` everything, or `asks` and nobody answers (`never`). */
export async function ownKeychain(t, ...manner) {
  const script = new URL("../support_keychain/service.py", import.meta.url).pathname;
  const child = start(t.programs.python, [script, ...manner], { env: t.env, log: `${t.folder}/keyring.log` });
  await until("there is a Secret Service", () => hasOwner(t, "org.freedesktop.secrets"));
  return { stop: () => stop(child) };
}

/** What shows GNOME Keyring's questions on the screen. */
export async function prompter(t) {
  const found = ["/usr/libexec/gcr-prompter", "/usr/lib/gcr/gcr-prompter"].find(existsSync);
  if (!found) throw new Error("missing: gcr-prompter (Debian: gcr)");
  const child = start(found, [], { env: t.env, log: `${t.folder}/prompter.log` });
  await until("there is a prompter", () => hasOwner(t, "org.gnome.keyring.SystemPrompter"));
  return { stop: () => stop(child) };
}
