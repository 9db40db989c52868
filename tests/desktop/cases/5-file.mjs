// The configuration file: changed by others and by the window, which keeps what others wrote.
import { appendFileSync, writeFileSync } from "node:fs";
import { configOf } from "../config.mjs";
import { httpServer, tcpServer } from "../servers.mjs";
import { assert, equal, until } from "../wait.mjs";

/** A file as a person keeps it. */
const KEPT = (wiki, mail) => `# My lab. Do not lose this line.
monitoring:
  defaultInterval: 1s   # fast, it is near
  defaultTimeout: 900ms
  groups:
    - name: lab
      monitors:
        # the wiki comes first
        - name: wiki
          type: http
          url: ${wiki.url}
          headers:
            X-Token: \${WIKI_TOKEN:-none}

        - type: tcp       # order of keys is mine
          name: mail
          target: ${mail.address}
          labels: {Owner: me}
# the end
`;

async function watching(t) {
  const [wiki, mail] = [await t.server(httpServer()), await t.server(tcpServer())];
  await t.withDesktop();
  return { wiki, mail };
}

async function saved(t, change) {
  await until("the file has it", () => {
    const text = t.fileText();
    if (!change(text)) throw new Error(`it has ${text}`);
    return true;
  });
}

/** Everything of a text, in its order, is still in another. */
function keeps(text, parts) {
  let at = -1;
  for (const part of parts) {
    const next = text.indexOf(part, at + 1);
    assert(next > at, `the file lost or moved ${JSON.stringify(part)}:\n${text}`);
    at = next;
  }
}

const MINE = ["# My lab. Do not lose this line.", "# fast, it is near", "# the wiki comes first", "X-Token: ${WIKI_TOKEN:-none}", "- type: tcp       # order of keys is mine", "labels: {Owner: me}", "# the end"];

export const cases = {
  "the file is changed on disk: the window follows; a broken one is told and not used": async (t) => {
    const { wiki, mail } = await watching(t);
    t.configure(configOf([["wiki", wiki.url]]));
    const page = await t.open();
    await page.row("wiki", "up");
    t.configure(configOf([["wiki", wiki.url], ["mail", mail.address]]));
    await page.row("mail", "up");
    await page.sentence(/^All 2 monitors are up\.$/);

    const good = t.fileText();
    t.configure(good.replace("type: tcp", "type: telepathy"));
    await page.shows(".banner.fault", /Configuration: .*telepathy/);
    equal((await page.rows()).length, 2, "monitors with a broken file");
    const from = wiki.accepted;
    await until("checks go on", () => wiki.accepted > from + 2);

    t.configure(configOf([["wiki", wiki.url]]));
    await until("the banner goes", async () => (await page.text(".banner.fault")) === null);
    await until("mail goes", async () => (await page.rows()).length === 1);
  },

  "a file that is broken at the start is told, and used once it is mended": async (t) => {
    const { wiki } = await watching(t);
    // A warning, which is not why the file is refused.
    t.env.HALLMONITOR_NOBODY = "1";
    t.configure("monitoring:\n  groups: nonsense\n");
    const page = await t.open();
    await page.shows("body", /Hall Monitor could not be reached/);
    await page.shows("body", /one problem\. Line 2: /);
    t.configure(configOf([["wiki", wiki.url]]));
    await page.row("wiki", "up");
    await page.listen();
  },

  "add, edit and remove by the form: comments, order and references stay; undo": async (t) => {
    const { wiki, mail } = await watching(t);
    const news = await t.server(tcpServer());
    t.configure(KEPT(wiki, mail));
    const page = await t.open();
    await page.row("mail", "up");

    await page.rowMenu("mail", "Edit");
    await page.shows("main h1", /^Edit .?mail/);
    await page.fill("Interval", "2s");
    await page.fill("Name", "post");
    await page.click("Save", "form button");
    await page.heading(/post.? has been up/);
    keeps(t.fileText(), MINE);
    assert(/name: post\n/.test(t.fileText()) && /interval: 2s/.test(t.fileText()), `not as edited:\n${t.fileText()}`);

    await page.click("Add monitor");
    await page.click("TCP", "fieldset label");
    await page.fill("Name", "news");
    await page.fill("Host and port", news.address);
    await page.click("Add monitor", "form button");
    await page.toast(/news.{0,3} is watched now/);
    keeps(t.fileText(), MINE);

    await page.goTo("#/overview");
    await page.row("news", "up");
    const before = t.fileText();
    await page.rowMenu("news", "Remove…");
    await page.click("Remove", "dialog footer button");
    await page.toast(/“news” was removed/);
    await until("news goes", async () => (await page.rows()).length === 2);
    assert(!t.fileText().includes("news"), "the file still has it");
    keeps(t.fileText(), MINE);
    await page.clickToast("was removed", "Undo");
    await saved(t, (text) => text === before);
    await page.row("news", "up");

    await page.goTo("#/settings");
    await page.shows("section[aria-labelledby=settings-versions]", /Restore…/);
  },

  "a form and an editor at the same time: both versions are shown, and either can win": async (t) => {
    const { wiki, mail } = await watching(t);
    t.configure(KEPT(wiki, mail));
    const page = await t.open();
    await page.row("mail", "up");
    await page.rowMenu("mail", "Edit");
    await page.fill("Interval", "3s");
    appendFileSync(t.config, "# theirs\n");
    await page.click("Save", "form button");
    const shown = await page.shows("dialog[open]", /The file was changed elsewhere/);
    assert(shown.includes("# theirs") && shown.includes("interval: 3s"), `the dialog shows ${shown}`);
    assert(!t.fileText().includes("3s"), "it was written all the same");
    await page.click("Keep mine on top", "dialog button");
    await saved(t, (text) => text.includes("# theirs") && text.includes("interval: 3s"));
    keeps(t.fileText(), MINE);

    await page.heading(/mail.? has been up/);
    await page.click("Edit");
    await page.fill("Interval", "4s");
    writeFileSync(t.config, `${t.fileText()}# theirs again\n`);
    await page.click("Save", "form button");
    await page.shows("dialog[open]", /# theirs again/);
    await page.click("Take theirs", "dialog button");
    await page.toast(/./);
    assert(!t.fileText().includes("4s"), "mine was written");
  },
};
