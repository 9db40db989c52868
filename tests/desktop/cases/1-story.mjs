// A server goes down and comes back, and everything that a person looks at says so.
import { configOf } from "../config.mjs";
import { httpServer, tcpServer } from "../servers.mjs";
import { assert, equal, until } from "../wait.mjs";

export const cases = {
  "down and back: table, sentence, page, tray, notices": async (t) => {
    const [wiki, mail] = [await t.server(httpServer()), await t.server(tcpServer())];
    t.configure(configOf([["wiki", wiki.url], ["mail", mail.address]]));
    await t.withDesktop();
    const page = await t.open();
    await page.row("wiki", "up");
    await page.row("mail", "up");
    await page.sentence(/^All 2 monitors are up\.$/);
    const good = await t.desktop.trayTells(/^All 2 monitors are up/);
    equal(t.desktop.notices.length, 0, "notices while all is well");

    await mail.stop();
    await page.row("mail", "down");
    await page.sentence(/^mail is down\. 1 of 2 are up\.$/);
    const bad = await t.desktop.trayTells(/^1 of 2 is down · mail/);
    assert(bad.icon !== good.icon, "the icon is as it was");
    const labels = await t.desktop.labels();
    assert(labels[0] === "1 of 2 is down", `the menu begins with ${labels[0]}`);
    assert(labels.some((label) => /^mail · \d+ s$/.test(label)), `the menu does not name mail: ${labels.join(", ")}`);
    const down = await t.desktop.notice(/^mail is down$/);
    assert(/^unreachable: .+\. Since \d\d:\d\d/.test(down.text), `the notice says ${down.text}`);
    equal(down.actions, ["default", "Open"], "what the notice offers");

    await page.click("mail", "[role=row] .name a");
    await page.heading(/^.?mail.? has been down for [\d.]+ s — /);
    const { id } = (await page.invoke("board")).ok.rows.find(({ name }) => name === "mail");
    const { tiles } = (await page.invoke("monitor_page", { id })).ok;
    equal(new Set(tiles.map(({ uptime }) => uptime)).size, 1, "uptimes of the same time");

    await mail.start();
    await page.heading(/^.?mail.? has been up for /);
    const back = await t.desktop.notice(/^mail is back after \d+ s$/);
    assert(/^Answers again since \d\d:\d\d/.test(back.text), `the notice says ${back.text}`);
    const again = await t.desktop.trayTells(/^All 2 monitors are up/);
    equal(again.icon, good.icon, "the icon");
    await page.goTo("#/overview");
    await page.row("mail", "up");
    await page.sentence(/^All 2 monitors are up\.$/);
    await until("a second check of all", () => wiki.accepted > 3);
    equal(t.desktop.notices.map(({ title }) => title.replace(/\d+/, "N")), ["mail is down", "mail is back after N s"], "all notices");
  },
};
