// The first start: nothing is watched until a person says what.
import { existsSync } from "node:fs";
import { httpServer, tcpServer } from "../servers.mjs";
import { assert, equal, until } from "../wait.mjs";

/** Fills the form of a new monitor and saves. */
async function add(page, kind, values) {
  await page.click(kind, "fieldset label");
  for (const [label, value] of Object.entries(values)) await page.fill(label, value);
  await page.click("Add monitor", "form button");
}

export const cases = {
  "first run: own monitors by the form, nothing else is watched": async (t) => {
    const [wiki, mail] = [await t.server(httpServer()), await t.server(tcpServer())];
    await t.withDesktop();
    const page = await t.open();
    equal(await until("the first screen", () => page.hash()), "#/first-run", "where it starts");
    await page.heading(/^What should I watch\?$/);
    const { suggestions } = (await page.invoke("first_run")).ok;
    const shown = () => page.client.run(() => [...document.querySelectorAll("main li code")].map((code) => code.textContent.trim()));
    await until("what was found is shown", async () => (await shown()).length === suggestions.length);
    equal(await shown(), suggestions.map(({ target }) => target), "what was found");
    await t.desktop.trayTells(/^Nothing is watched yet$/);
    assert(!existsSync(t.config), "a file was written before anybody asked for it");

    await page.click("Add my own…");
    await page.shows("main h1", /^Add a monitor$/);
    await add(page, "HTTP", { Name: "wiki", Address: wiki.url, Group: "lab", Interval: "1s" });
    await page.toast(/wiki.{0,3} is watched now/);
    assert(t.fileText().includes(wiki.url), "the file does not have the address");

    await page.click("Add monitor");
    await add(page, "TCP", { Name: "mail", "Host and port": mail.address, Interval: "1s" });
    await page.toast(/mail.{0,3} is watched now/);
    await page.goTo("#/overview");
    await page.row("wiki", "up");
    await page.row("mail", "up");
    equal((await page.rows()).length, 2, "monitors");
    await t.desktop.trayTells(/^All 2 monitors are up/);
  },

  "first run: a form with faults says what is wrong and writes nothing": async (t) => {
    await t.withDesktop();
    const page = await t.open();
    await page.click("Add my own…");
    await add(page, "HTTP", { Name: "wiki", Address: "ftp://nowhere", Interval: "1 parsec" });
    await page.shows("form .wrong", /^One field needs a look\.$/);
    await page.shows("#field-group-error", /group name is required/i);
    await page.fill("Group", "lab");
    await page.click("Add monitor", "form button");
    await page.shows("#field-url-error", /./);
    await page.shows("#field-interval-error", /./);
    assert(!existsSync(t.config), "a file was written");
  },
};
