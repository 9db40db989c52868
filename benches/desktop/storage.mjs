// The storage screen: how soon it is there with a backend that works and with one that is away, and how long it takes from
// a filled form to a tested connection.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { httpServer } from "../../tests/desktop/servers.mjs";
import { StorageServers, keychain } from "../../tests/desktop/storage.mjs";
import { pause } from "../../tests/desktop/wait.mjs";
import { median, quantile, spread, tell } from "./tell.mjs";
import { end } from "./world.mjs";

const FORM = "main form button";

// Runs in the page: goes to the screen; how long until its cards, its form and the health of the store are painted.
async function opened() {
  const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
  location.hash = "#/overview";
  while (!document.querySelector("[role=row][data-index]")) await frame();
  await new Promise((done) => setTimeout(done, 300));
  const began = performance.now();
  location.hash = "#/storage";
  const is = (css) => document.querySelector(css) !== null;
  while (!is("section.cards button.used") || !is("main form h2") || !is("section[aria-labelledby=storage-health]")) {
    await frame();
    if (performance.now() - began > 10_000) throw new Error(document.querySelector("main")?.textContent ?? "nothing there");
  }
  await frame();
  return performance.now() - began;
}

// Runs in the page: presses the button; how long until the last step is on the screen.
async function tested() {
  const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
  const button = [...document.querySelectorAll("main form button")].find((each) => each.textContent.trim() === "Test connection");
  const panel = () => document.querySelector("section[aria-labelledby=storage-look]")?.textContent ?? "";
  const began = performance.now();
  button.click();
  await frame();
  while (!/Everything works\./.test(panel())) {
    await frame();
    if (performance.now() - began > 10_000 || /Does not work/.test(panel())) throw new Error(panel());
  }
  await frame();
  return performance.now() - began;
}

async function ask(page, work) {
  const { ok, error } = await page.client.ask(work);
  if (error) throw new Error(JSON.stringify(error));
  return ok;
}

async function open(world, wiki, section) {
  const session = await world.fresh();
  await session.server(keychain(session));
  writeFileSync(session.config, `${section}monitoring:\n  groups:\n    - name: lab\n      monitors:\n        - {name: wiki, type: http, url: "${wiki.url}", interval: 5s}\n`);
  const page = await session.open();
  await page.row("wiki", "up");
  return { session, page };
}

const AWAY = {
  "embedded": "",
  "postgres, away": "storage: {backend: postgres, postgres: {host: 127.0.0.1, port: 1, user: nobody, database: none}}\n",
  "influxdb, away": 'storage: {backend: influxdb, influxdb: {url: "http://127.0.0.1:1", token: x, org: o, bucket: b}}\n',
};

export async function storage(world, rounds) {
  const wiki = await httpServer();
  for (const [name, section] of Object.entries(AWAY)) {
    const { session, page } = await open(world, wiki, section);
    // The first time more is made than ever after.
    const first = await ask(page, opened);
    const took = [];
    for (let round = 0; round < rounds; round += 1) took.push(await ask(page, opened));
    await end(session);
    await session.close();
    tell(`storage screen opens, ${name}: p50 / p95`, {
      figure: `${median(took).toFixed(0)} / ${quantile(took, 0.95).toFixed(0)} ms; the first time ${first.toFixed(0)} ms`,
      spread: spread(took, "ms"), reach: "≤ 200 ms", counted: `${rounds} times, from the change of place to the frame after its panels`,
    });
  }
  await looks(world, wiki, rounds);
  wiki.stop();
}

async function fill(page, fields) {
  for (const [label, text] of Object.entries(fields)) await page.fill(label, String(text));
}

async function looks(world, wiki, rounds) {
  const servers = await StorageServers.open();
  const { session, page } = await open(world, wiki, "");
  const { postgres, influxdb } = servers;
  const forms = {
    PostgreSQL: () => fill(page, { Host: postgres.host, Port: postgres.port, Database: postgres.database, User: postgres.user, Password: postgres.password }),
    InfluxDB: () => fill(page, { Address: influxdb.url, Organisation: influxdb.org, Bucket: influxdb.bucket, Token: influxdb.token }),
  };
  for (const [name, filled] of Object.entries(forms)) {
    await page.goTo("#/storage");
    await page.click(name, "section.cards button");
    await page.shows("main form h2", new RegExp(`^${name}`));
    await filled();
    const took = [];
    for (let round = 0; round < rounds; round += 1) {
      await pause(200);
      took.push(await ask(page, tested));
    }
    tell(`form to tested connection, ${name}: p50 / p95`, {
      figure: `${median(took).toFixed(0)} / ${quantile(took, 0.95).toFixed(0)} ms`, spread: spread(took, "ms"), reach: "≤ 300 ms",
      counted: `${rounds} looks at a server of this machine, from the click to the frame after the last step`,
    });
    await page.click("Discard", FORM).catch(() => null);
  }
  await end(session);
  await session.close();
  await servers.stop();
}
