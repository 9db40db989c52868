// Pausing, checking now, quitting: from the window and from the tray.
import { configOf } from "../config.mjs";
import { httpServer, tcpServer } from "../servers.mjs";
import { assert, equal, until } from "../wait.mjs";

async function watching(t, options) {
  const [wiki, mail] = [await t.server(httpServer()), await t.server(tcpServer())];
  t.configure(configOf([["wiki", wiki.url], ["mail", mail.address]], options));
  await t.withDesktop();
  return { wiki, mail };
}

export const cases = {
  "pause for an hour and resume, from a row's menu": async (t) => {
    const { wiki, mail } = await watching(t);
    const page = await t.open();
    await page.row("mail", "up");
    await page.rowMenu("mail", "Pause for 1 hour");
    await page.row("mail", "paused");
    await page.toast(/Paused for 1 h/);
    const [before, other] = [mail.accepted, wiki.accepted];
    await until("the other is checked three times", () => wiki.accepted >= other + 3);
    assert(mail.accepted <= before + 1, `it was checked ${mail.accepted - before} times while paused`);
    await page.rowMenu("mail", "Resume");
    await page.row("mail", "up");
    await until("it is checked again", () => mail.accepted > before + 1);
  },

  "pause all and resume, from the tray": async (t) => {
    const { wiki } = await watching(t);
    const page = await t.open();
    await page.row("mail", "up");
    const good = await t.desktop.trayTells(/^All 2 monitors are up/);
    await t.desktop.press("Pause monitoring", "1 hour");
    const paused = await t.desktop.trayTells(/^Monitoring is paused/);
    assert(paused.icon !== good.icon, "the icon is as it was");
    await page.row("mail", "paused");
    await page.sentence(/^Monitoring is paused\.$/);
    const from = wiki.accepted;
    await t.desktop.press("Resume monitoring");
    await t.desktop.trayTells(/^All 2 monitors are up/);
    await page.row("mail", "up");
    await until("it is checked again", () => wiki.accepted > from);
  },

  "check now and check all now": async (t) => {
    const { wiki, mail } = await watching(t, { interval: "1h" });
    const page = await t.open();
    await page.row("mail", "up");
    await page.row("wiki", "up");
    let from = [wiki.accepted, mail.accepted];
    await page.rowMenu("mail", "Check now");
    await until("mail is checked", () => mail.accepted === from[1] + 1);
    equal(wiki.accepted, from[0], "checks of the other");
    from = [wiki.accepted, mail.accepted];
    await t.desktop.press("Check all now");
    await until("both are checked", () => wiki.accepted > from[0] && mail.accepted > from[1]);
  },

  "quit from the tray: ends soon and well, and history is there after the next start": async (t) => {
    const { mail } = await watching(t);
    let page = await t.open();
    await page.row("mail", "up");
    const from = mail.accepted;
    await until("some checks", () => mail.accepted >= from + 5);
    const id = (await page.invoke("board")).ok.rows.find(({ name }) => name === "mail").id;
    await page.keepHeard();
    const began = Date.now();
    await t.desktop.press("Quit");
    equal(await t.ended(6_000), 0, "exit code");
    const took = Date.now() - began;
    await t.kill();

    page = await t.open();
    await page.row("mail", "up");
    const incidents = await page.invoke("results", { id, limit: 100, after: null });
    const results = incidents.ok?.results ?? [];
    assert(results.length >= 5, `only ${results.length} results are there: ${JSON.stringify(incidents).slice(0, 300)}`);
    return `${took} ms`;
  },

  "SIGTERM ends it well": async (t) => {
    await watching(t);
    t.launch();
    await t.desktop.trayTells(/^All 2 monitors are up/);
    process.kill(t.pid, "SIGTERM");
    equal(await t.ended(6_000), 0, "exit code");
  },

  "a tray that comes later, goes and comes again": async (t) => {
    await watching(t);
    await t.desktop.watcher(false);
    const page = await t.open();
    await page.row("mail", "up");
    equal((await page.invoke("about")).ok.tray, false, "a tray is told");
    await t.desktop.watcher(true);
    await t.desktop.trayTells(/^All 2 monitors are up/);
    await t.desktop.watcher(false);
    await until("it is told that there is no tray", async () => (await page.invoke("about")).ok.tray === false);
    await t.desktop.watcher(true);
    await t.desktop.trayTells(/^All 2 monitors are up/);
  },
};
