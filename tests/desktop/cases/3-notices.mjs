// Notices: where a click leads, and when there are none.
import { configOf } from "../config.mjs";
import { tcpServer } from "../servers.mjs";
import { equal, until } from "../wait.mjs";

async function watching(t) {
  const mail = await t.server(tcpServer());
  t.configure(configOf([["mail", mail.address]]));
  await t.withDesktop();
  return mail;
}

export const cases = {
  "a click on a notice leads to the monitor, also when the window was closed": async (t) => {
    const mail = await watching(t);
    let page = await t.open();
    await page.row("mail", "up");
    await page.goTo("#/settings");
    await mail.stop();
    await t.desktop.click(await t.desktop.notice(/^mail is down$/));
    await until("the window goes to the monitor", async () => /^#\/monitor\/./.test(await page.hash()));
    await page.heading(/mail.? has been down/);

    await page.goTo("#/settings");
    await page.keepHeard();
    await t.closeWindow();
    await mail.start();
    await t.desktop.click(await t.desktop.notice(/^mail is back/));
    page = await t.inNewWindow();
    await page.heading(/mail.? has been up/);
    equal(t.windows().length, 1, "windows");
  },

  "no notice while muted from the tray; the window says so and ends it": async (t) => {
    const mail = await watching(t);
    const page = await t.open();
    await page.row("mail", "up");
    await t.desktop.press("Mute notifications", "1 hour");
    await page.shows("section[aria-label=Notices]", /^Notifications are muted until \d\d:\d\d/);
    await until("the menu offers to end it", async () => (await t.desktop.labels()).includes("Notifications on again"));
    await mail.stop();
    await page.row("mail", "down");
    await t.desktop.trayTells(/mail$/);
    // A notice is held for a second and a half; checks go on for longer than that.
    const from = mail.accepted;
    await mail.start();
    await page.row("mail", "up");
    await until("four more checks", () => mail.accepted >= from + 5);
    equal(t.desktop.notices.length, 0, "notices while muted");

    await page.click("Unmute");
    const digest = await t.desktop.notice(/^While notifications were muted$/);
    equal(/mail/.test(digest.text), true, "the digest names it");
    await until("the menu offers to mute", async () => (await t.desktop.labels()).includes("Mute notifications"));
  },

  "many that go down at once are one notice, and so is their return": async (t) => {
    const names = Array.from({ length: 8 }, (_, number) => `host ${number + 1}`);
    const servers = [];
    for (const _ of names) servers.push(await t.server(tcpServer()));
    t.configure(configOf(names.map((name, at) => [name, servers[at].address])));
    await t.withDesktop();
    t.launch("--hidden");
    await t.desktop.trayTells(/^All 8 monitors are up/);
    for (const server of servers) await server.stop();
    await t.desktop.notice(/^8 monitors went down$/);
    for (const server of servers) await server.start();
    await t.desktop.notice(/^8 monitors are back$/);
    equal(t.desktop.notices.map(({ title }) => title), ["8 monitors went down", "8 monitors are back"], "notices");
  },

  "started hidden: no window, but tray and notices": async (t) => {
    const mail = await watching(t);
    t.launch("--hidden");
    await t.desktop.trayTells(/^The one monitor is up/);
    equal(t.windows(), [], "windows");
    equal(t.webViews(), [], "web views");
    await mail.stop();
    const down = await t.desktop.notice(/^mail is down$/);
    await t.desktop.trayTells(/^1 of 1 is down · mail/);
    equal([t.windows(), t.webViews()], [[], []], "windows and web views after a notice");
    await t.desktop.click(down);
    await until("the window is there", () => t.windows().length === 1 && t.display.colours(t.windows()[0]) > 50);
  },
};
