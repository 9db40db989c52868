// What a person does on the screen of storage.
import { configOf } from "./config.mjs";
import { httpServer } from "./servers.mjs";
import { until } from "./wait.mjs";

const CARD = "section.cards button";
export const FORM = "main form button";
export const DIALOG = "dialog[open] footer button";

/** What the desktop's dialog is called. */
export const FILES = "Choose a file of certificates";

export async function watching(t) {
  const wiki = await t.server(httpServer());
  t.configure(`# mine\n${configOf([["wiki", wiki.url]])}`);
  await t.withDesktop();
  return wiki;
}

export const look = (page, pattern) => page.shows("section[aria-labelledby=storage-look]", pattern, 30_000);
export const inUse = (page, name) => page.shows("section.cards button.used", new RegExp(`^${name}.*in use`));

/** Chooses a backend and waits for its form. */
export async function choose(page, name) {
  await page.click(name, CARD);
  await page.shows("main form h2", new RegExp(`^${name}$`));
}

export async function use(page, name) {
  await page.click(`Use ${name}…`, FORM);
  await page.click(`Use ${name}`, DIALOG);
}

/** Chooses a file of certificates in the desktop's own dialog. */
export function chooseFile(t, page, file) {
  return until("the field has it", async () => {
    await page.click("Choose the file", FORM);
    const dialog = await t.display.dialog(FILES);
    await dialog.type(file);
    dialog.press("Return");
    // A busy machine loses letters, and then the dialog says that there is no such file.
    await until("the dialog is gone", () => !t.display.hasDialog(FILES)).catch(() => null);
    for (let left = 3; left > 0 && t.display.hasDialog(FILES); left -= 1) dialog.press("Escape");
    return (await page.value("CA file")) === file;
  }, { within: 90_000 });
}
