// End-to-end tests of the desktop app, on a display and a session bus of their own; see README.md.
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Display } from "./display.mjs";
import { findAll } from "./programs.mjs";
import { Session } from "./session.mjs";

const CASES = new URL("cases/", import.meta.url);
const quick = process.env.HALLMONITOR_DESKTOP_QUICK === "1";

const slug = (name) => name.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 60);
const keptIn = (name) => join(tmpdir(), "hallmonitor-desktop", slug(name));

/** In the order of the numbers that the files' names begin with. */
const byNumber = (one, other) => parseInt(one, 10) - parseInt(other, 10);

async function casesOf(words) {
  const found = [];
  for (const file of readdirSync(CASES).filter((name) => name.endsWith(".mjs")).sort(byNumber)) {
    const { cases } = await import(new URL(file, CASES).href);
    for (const [name, run] of Object.entries(cases)) {
      const all = `${file} ${name}`.toLowerCase();
      if (words.length === 0 || words.some((word) => all.includes(word))) found.push({ name, run });
    }
  }
  return found;
}

/** What holds after every test: nothing panicked, and nothing went wrong in the page. */
async function afterwards(session) {
  const heard = session.page ? await session.page.heard() : [];
  if (heard.length > 0) throw new Error(`the window had faults: ${heard.slice(0, 5).join(" | ")}`);
  const panic = existsSync(session.log) && session.logText().split("\n").find((line) => /panicked at|RUST_BACKTRACE/.test(line));
  if (panic) throw new Error(`the log has a panic: ${panic}`);
}

/** Keeps what helps to understand a failure. */
async function keep(session, name, error) {
  const folder = keptIn(name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "error.txt"), `${error.stack ?? error}\n`);
  session.display.picture(join(folder, "screen.png"));
  for (const file of ["app.log", "desktop.log", "config.yml"]) {
    if (existsSync(join(session.folder, file))) copyFileSync(join(session.folder, file), join(folder, file));
  }
  if (session.page && session.isRunning()) {
    const client = session.page.client;
    await client.picture().then((png) => writeFileSync(join(folder, "window.png"), png), () => {});
    await client.source().then((html) => writeFileSync(join(folder, "page.html"), html), () => {});
  }
  return folder;
}

/** What has to be ended when somebody ends the tests. */
const open = new Set();

async function runOne({ name, run }, world, folder) {
  const began = Date.now();
  const session = new Session({ ...world, folder, quick });
  open.add(session);
  const took = () => `${((Date.now() - began) / 1000).toFixed(1)} s`;
  try {
    const note = await run(session);
    await afterwards(session);
    rmSync(keptIn(name), { recursive: true, force: true });
    console.log(`ok    ${name} (${took()})${note ? `: ${note}` : ""}`);
    return true;
  } catch (error) {
    console.log(`FAIL  ${name} (${took()}): ${error.message}\n      kept in ${await keep(session, name, error)}`);
    return false;
  } finally {
    open.delete(session);
    await session.close();
  }
}

async function main(args) {
  const programs = findAll();
  const folder = mkdtempSync(join(tmpdir(), "hallmonitor-e2e-"));
  const display = await Display.open(join(folder, "display"));
  const world = { display, programs };
  open.add(display);
  const count = { passed: 0, failed: 0 };
  try {
    if (args[0] === "--screenshots") {
      const { screenshots } = await import("./screens.mjs");
      await screenshots({ ...world, folder: join(folder, "screens"), quick }, args[1] ?? "screenshots");
      return;
    }
    for (const [index, each] of (await casesOf(args.map((word) => word.toLowerCase()))).entries()) {
      count[(await runOne(each, world, join(folder, String(index)))) ? "passed" : "failed"] += 1;
    }
  } finally {
    await display.close();
    rmSync(folder, { recursive: true, force: true });
  }
  console.log(`${count.passed} passed, ${count.failed} failed`);
  process.exitCode = count.failed > 0 || count.passed === 0 ? 1 : 0;
}

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => void Promise.all([...open].map((each) => each.close())).finally(() => process.exit(130)));
}

main(process.argv.slice(2)).catch((error) => {
  console.error(`the tests cannot run: ${error.message}`);
  process.exitCode = 1;
}).finally(() => process.exit());
