// What a person does on the screen of storage.
import { configOf } from "./config.mjs";
import { httpServer } from "./servers.mjs";

const CARD = "section.cards button";
export const FORM = "main form button";
export const DIALOG = "dialog[open] footer button";

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
