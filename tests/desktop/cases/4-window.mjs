// The window goes and comes; monitoring does not care.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { configOf } from "../config.mjs";
import { pss } from "../process.mjs";
import { tcpServer } from "../servers.mjs";
import { assert, equal, pause, until } from "../wait.mjs";

const MIB = 1024 * 1024;

async function watching(t) {
  const mail = await t.server(tcpServer());
  t.configure(configOf([["mail", mail.address]]));
  return mail;
}

/** Waits for some more checks. */
async function goesOn(server, checks = 3) {
  const from = server.accepted;
  await until(`${checks} more checks`, () => server.accepted >= from + checks);
}

export const cases = {
  "closed, the web view is gone and checks go on; it opens where it was": async (t) => {
    const mail = await watching(t);
    await t.withDesktop();
    let page = await t.open();
    await page.row("mail", "up");
    await page.click("mail", "[role=row] .name a");
    await page.heading(/mail.? has been up/);
    const where = await page.hash();
    await page.keepHeard();

    await t.closeWindow();
    assert(t.isRunning(), "the app ended");
    await goesOn(mail);
    await t.desktop.press("Open Hall Monitor");
    page = await t.inNewWindow();
    await page.heading(/mail.? has been up/);
    equal(await page.hash(), where, "where it opens from the tray");
    await page.keepHeard();

    await t.closeWindow();
    await goesOn(mail);
    await t.desktop.activate();
    page = await t.inNewWindow();
    await page.heading(/mail.? has been up/);
    equal(await page.hash(), where, "where it opens by a click on the icon");
    await page.keepHeard();

    await t.closeWindow();
    const second = await t.again();
    equal(second.code, 0, "exit code of the second start");
    page = await t.inNewWindow();
    await page.heading(/mail.? has been up/);
    equal(await page.hash(), where, "where it opens by a second start");

    await t.desktop.press("Settings…");
    await page.shows("main h1", /^Settings$/);
  },

  "closed and opened many times without growth": async (t) => {
    const times = t.quick ? 10 : 50;
    const mail = await watching(t);
    await t.withDesktop();
    t.launch();
    const sizes = [];
    for (let count = 1; count <= times; count += 1) {
      await until(`window ${count} is painted`, () => t.windows().length === 1 && t.display.colours(t.windows()[0]) > 50);
      await t.closeWindow();
      sizes.push(pss(t.pid));
      if (count < times) await t.desktop.press("Open Hall Monitor");
    }
    await goesOn(mail);
    const last = await until("the memory comes to rest", () => {
      const now = pss(t.pid);
      return now <= sizes[4] + 8 * MIB ? now : null;
    }, { within: 15_000 }).catch(() => pss(t.pid));
    const mib = (size) => `${(size / MIB).toFixed(1)} MiB`;
    const told = `${times} times; after the 5th close ${mib(sizes[4])}, after the last ${mib(last)}`;
    assert(last <= sizes[4] + 8 * MIB, `it grew: ${told}; all: ${sizes.map((size) => Math.round(size / MIB)).join(" ")}`);
    return told;
  },

  "the window comes back in the size and the place it had": async (t) => {
    await watching(t);
    await t.withDesktop();
    t.launch();
    const painted = () => until("the window is painted", () => t.windows().length === 1 && t.display.colours(t.windows()[0]) > 50);
    await painted();
    t.display.place(t.windows()[0], { x: 130, y: 90, width: 980, height: 640 });
    // The frame is the window manager's: where it ends up is what has to come back.
    let wanted = {};
    await until("the window has its place", async () => {
      const before = JSON.stringify(wanted);
      wanted = t.display.geometry(t.windows()[0]);
      await pause(200);
      return wanted.width === 980 && wanted.height === 640 && JSON.stringify(wanted) === before;
    });
    const there = (when) => until(`${when} it is where it was: ${JSON.stringify(wanted)}`, () => {
      const is = t.display.geometry(t.windows()[0]);
      const near = Math.abs(is.x - wanted.x) <= 2 && Math.abs(is.y - wanted.y) <= 2;
      if (!near || is.width !== wanted.width || is.height !== wanted.height) throw new Error(JSON.stringify(is));
      return true;
    });
    await t.closeWindow();
    await t.desktop.press("Open Hall Monitor");
    await painted();
    await there("opened again,");
    await t.desktop.press("Quit");
    equal(await t.ended(10_000), 0, "exit code");
    t.launch();
    await painted();
    await there("after the next start");
  },

  "start at login is the desktop's own autostart, hidden, and goes again": async (t) => {
    await watching(t);
    await t.withDesktop();
    const page = await t.open();
    await page.goTo("#/settings");
    const folder = join(t.folder, "config", "autostart");
    const entries = () => (existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".desktop")) : []);
    equal(entries(), [], "entries before");
    await page.click("Start at log-in", "[role=switch]");
    const [name] = await until("the entry is there", () => (entries().length === 1 ? entries() : null));
    const entry = readFileSync(join(folder, name), "utf8");
    const command = /^Exec=(.*)$/m.exec(entry)?.[1] ?? "";
    assert(command.includes(t.programs.app) && command.includes("--hidden"), `it starts ${command}`);
    assert(/^Type=Application$/m.test(entry), "it is an application's");
    await page.click("Start at log-in", "[role=switch]");
    await until("the entry is gone", () => entries().length === 0);
  },

  "a second start ends at once and shows the window": async (t) => {
    await watching(t);
    await t.withDesktop();
    t.launch("--hidden");
    await t.desktop.trayTells(/^The one monitor is up/);
    equal(t.windows(), [], "windows");
    const second = await t.again();
    equal(second.code, 0, "exit code");
    assert(second.ms < 5_000, `it took ${second.ms} ms`);
    await until("the window is there", () => t.windows().length === 1);
    equal((await t.again()).code, 0, "exit code with a window");
    equal(t.windows().length, 1, "windows");
    return `${second.ms} ms`;
  },

  "the web view is killed: checks go on and the window comes back; not for ever": async (t) => {
    const mail = await watching(t);
    await t.withDesktop();
    t.launch();
    // Without automation, which ends with the process.
    const painted = () => until("the window is painted", () => t.windows().length === 1 && t.webViews().length === 1 && t.display.colours(t.windows()[0]) > 50);
    await painted();
    for (let count = 1; count <= 3; count += 1) {
      const [old] = t.webViews();
      process.kill(old, "SIGKILL");
      await until(`another web view after ${count}`, () => t.webViews().length === 1 && t.webViews()[0] !== old);
      await painted();
    }
    await goesOn(mail);
    process.kill(t.webViews()[0], "SIGKILL");
    await until("the window is given up", () => t.windows().length === 0);
    await goesOn(mail);
    await t.desktop.press("Open Hall Monitor");
    await painted();
  },

  "no session bus: a window all the same, and closing it asks": async (t) => {
    const mail = await watching(t);
    const page = await t.open();
    await page.row("mail", "up");
    await t.display.closeWindow(t.pid);
    await page.shows("dialog[open]", /^Close the window/);
    await page.shows("dialog[open]", /This desktop shows no tray icon/);
    await page.keepHeard();
    await page.clickAway("Keep watching", "dialog button");
    await until("the web view is gone", () => t.webViews().length === 0);
    await goesOn(mail);
  },

  "no session bus: closing it can mean to quit": async (t) => {
    await watching(t);
    const page = await t.open();
    await page.row("mail", "up");
    await t.display.closeWindow(t.pid);
    await page.keepHeard();
    await page.clickAway("Quit", "dialog button");
    equal(await t.ended(10_000), 0, "exit code");
  },
};
