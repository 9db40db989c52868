// Programs that the tests need, and starting them.
import { spawn, spawnSync } from "node:child_process";
import { accessSync, constants, openSync } from "node:fs";
import { delimiter, join } from "node:path";

const NEEDED = {
  Xvfb: "xvfb",
  xfwm4: "xfwm4",
  xdotool: "xdotool",
  import: "imagemagick",
  convert: "imagemagick",
  identify: "imagemagick",
  tesseract: "tesseract-ocr",
  "dbus-daemon": "dbus",
  WebKitWebDriver: "webkit2gtk-driver",
};

function onPath(name) {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      // The next folder.
    }
  }
  return false;
}

/** The first Python that speaks D-Bus: a version manager's own often does not. */
function python() {
  const speaks = (name) => spawnSync(name, ["-c", "import dbus, gi"], { stdio: "ignore" }).status === 0;
  return ["python3", "/usr/bin/python3"].find(speaks);
}

/** What reads pictures needs to know how letters look. */
const readsEnglish = () => /^eng$/m.test(spawnSync("tesseract", ["--list-langs"], { encoding: "utf8" }).stdout ?? "");

/** Where everything is; says by name what is missing. */
export function findAll() {
  const missing = Object.entries(NEEDED).filter(([name]) => !onPath(name)).map(([name, debian]) => `${name} (Debian: ${debian})`);
  const app = process.env.HALLMONITOR_DESKTOP;
  if (!app) missing.push("HALLMONITOR_DESKTOP, the path of the built hallmonitor-desktop");
  else {
    try {
      accessSync(app, constants.X_OK);
    } catch {
      missing.push(`${app}, named by HALLMONITOR_DESKTOP`);
    }
  }
  if (onPath("tesseract") && !readsEnglish()) missing.push("tesseract's English (Debian: tesseract-ocr-eng)");
  const found = python();
  if (!found) missing.push("python3 with dbus and gi (Debian: python3-dbus python3-gi)");
  if (missing.length > 0) throw new Error(`missing: ${missing.join("; ")}`);
  return { app, python: found };
}

/** Starts a program; its words go to a file. `more` are further file descriptors. */
export function start(name, args, { env, log, stdio = ["ignore", "log", "log"] }) {
  const to = openSync(log, "a");
  const child = spawn(name, args, { env, stdio: stdio.map((each) => (each === "log" ? to : each)) });
  child.ended = new Promise((done) => {
    child.once("exit", (code, signal) => done({ code, signal }));
    child.once("error", (error) => done({ error }));
  });
  return child;
}

/** Ends a program that was started here. */
export async function stop(child) {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  const late = setTimeout(() => child.kill("SIGKILL"), 3_000);
  await child.ended;
  clearTimeout(late);
}

/** The first line that matches, from a program's output. */
export function firstLine(stream, pattern, what) {
  return new Promise((done, failed) => {
    let text = "";
    const late = setTimeout(() => failed(new Error(`${what} said nothing`)), 15_000);
    stream.on("data", (data) => {
      text += data;
      const found = text.match(pattern);
      if (!found) return;
      clearTimeout(late);
      done(found[1]);
    });
    stream.on("end", () => failed(new Error(`${what} ended`)));
  });
}
