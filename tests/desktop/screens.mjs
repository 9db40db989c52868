// Pictures of the real app for the README: a home lab on loopback servers, in both themes.
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { httpServer, tcpServer } from "./servers.mjs";
import { Session } from "./session.mjs";
import { StorageServers } from "./storage.mjs";
import { equal, until } from "./wait.mjs";

/** Names, and about how many milliseconds each takes to answer: as in its made-up history. */
const HTTP = { web: { cloud: 7, photos: 18, wiki: 7 }, house: { heating: 18, music: 7 } };
const TCP = { house: ["nas"], net: ["git", "mail", "printer"] };
const DOWN = "printer";
/** The monitor whose page is shown. */
const SHOWN = "photos";

/** Answers in about so many milliseconds. */
const about = (ms) => () => ms + Math.random() * ms * 0.3;

async function lab(session) {
  const groups = { web: [], house: [], net: [] };
  const servers = {};
  for (const [group, names] of Object.entries(HTTP)) {
    for (const [name, ms] of Object.entries(names)) {
      servers[name] = await session.server(httpServer(about(ms)));
      groups[group].push(`        - name: ${name}\n          type: http\n          url: ${servers[name].url}\n`);
    }
  }
  for (const [group, names] of Object.entries(TCP)) {
    for (const name of names) {
      servers[name] = await session.server(tcpServer());
      groups[group].push(`        - name: ${name}\n          type: tcp\n          target: ${servers[name].address}\n`);
    }
  }
  const text = Object.entries(groups).map(([name, lines]) => `    - name: ${name}\n      monitors:\n${lines.join("")}`);
  session.configure(`monitoring:\n  defaultInterval: 10s\n  defaultFailureThreshold: 2\n  groups:\n${text.join("")}`);
  return servers;
}

/** A month of history, where the program that makes it was built. */
async function history(session) {
  const program = process.env.HALLMONITOR_DEMO_HISTORY;
  if (!program) return;
  session.launch("--hidden");
  await session.desktop.trayTells(/^All 9 monitors are up/, 60_000);
  await session.desktop.press("Quit");
  equal(await session.ended(10_000), 0, "exit code");
  await session.kill();
  const done = spawnSync(program, [session.data], { encoding: "utf8" });
  if (done.status !== 0) throw new Error(`no history could be made: ${done.stderr}`);
}

async function take(page, folder, name) {
  await page.client.run(() => document.fonts.ready.then(() => null));
  await until("everything is drawn", () => page.client.run(() => {
    const figures = [...document.querySelectorAll("[role=row][data-index] > .uptime")];
    return document.querySelectorAll(".skeleton").length === 0 && figures.every((cell) => cell.textContent.trim() !== "");
  }));
  await page.client.ask(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1)))));
  const file = join(folder, `${name}.png`);
  writeFileSync(file, await page.client.picture());
  console.log(file);
}

let server = null;

/** A server that is set up and tested, before it is used. */
async function storage(session, page) {
  server ??= (await session.server(StorageServers.open())).postgres;
  await page.goTo("#/storage");
  await page.click("PostgreSQL", "section.cards button");
  await page.shows("main form h2", /^PostgreSQL$/);
  for (const [label, key] of [["Host", "host"], ["Port", "port"], ["Database", "database"], ["Password", "password"]]) {
    await page.fill(label, String(server[key]));
  }
  await page.click("Test connection", "main form button");
  await page.shows("section[aria-labelledby=storage-look]", /Everything works\./);
  await page.client.run(() => document.querySelector("main").scrollTo(0, 0));
}

export async function screenshots(world, folder) {
  mkdirSync(folder, { recursive: true });
  const session = new Session(world);
  try {
    await session.withDesktop();
    const servers = await lab(session);
    await history(session);
    const page = await session.open();
    for (const name of Object.keys(servers)) await page.row(name, "up", 60_000);
    await servers[DOWN].stop();
    await page.row(DOWN, "down", 60_000);
    const { id } = (await page.invoke("board")).ok.rows.find(({ name }) => name === SHOWN);
    const { ok: preferences } = await page.invoke("preferences");
    for (const theme of ["light", "dark"]) {
      await page.invoke("set_preferences", { preferences: { ...preferences, theme } });
      await page.client.run(() => location.reload());
      await until("the window is there again", () => page.follow());
      for (const [name, hash, ready] of [["overview", "#/overview", "main .hero h1"], ["monitor", `#/monitor/${id}`, "main header h1"]]) {
        await page.goTo(hash);
        await page.shows(ready, /./);
        if (name === "overview") await page.click("30 d", "[role=radiogroup] label");
        await take(page, folder, `${name}-${theme}`);
      }
      await storage(session, page);
      await take(page, folder, `storage-${theme}`);
    }
  } finally {
    await session.close();
  }
}
