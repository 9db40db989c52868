// The main screens look as they did: pictures of now against those in `pictures/`. Both are made small first, so that
// another rendering of glyphs is no difference and a shifted box or another colour is. `UPDATE_PICTURES=1` takes them
// anew: look at them before you commit them.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { open } from "./browser.mjs";

const FOLDER = new URL("pictures/", import.meta.url);
const AT = new Date("2026-11-23T14:06:00Z");
/** Pixels of the small picture; of these this share may differ by more than this much of 255. */
const SMALL = { width: 320, height: 200 };
const SHARE = 0.01;
const DIFFERENCE = 40;

/** A backend that is being set up, with the wrong password. */
async function failedLook(page) {
  await page.getByRole("button", { name: /^PostgreSQL/ }).click();
  await page.getByLabel("Host", { exact: true }).fill("db.home.lan");
  await page.getByLabel("Password", { exact: true }).fill("wrong");
  await page.getByLabel("Protection (TLS)").selectOption("verify-full");
  await page.getByLabel(/^CA file/).fill("certificates/home-ca.pem");
  await page.getByRole("button", { name: "Test connection" }).click();
  await page.getByText("Does not work yet.").waitFor();
  await page.evaluate(() => document.querySelector("main").scrollTo(0, 0));
  await page.mouse.move(0, 0);
  await page.waitForTimeout(500);
}

const SCREENS = {
  overview: ["fake=42", "#/overview"],
  "overview-empty": ["fake=0", "#/overview"],
  monitor: ["fake=42", "first"],
  incidents: ["fake=42", "#/incidents"],
  storage: ["fake=42", "#/storage", failedLook],
  "storage-in-use": ["fake=42", "#/storage"],
  secrets: ["fake=42", "#/secrets"],
  settings: ["fake=42", "#/settings"],
  new: ["fake=42", "#/new"],
  "first-run": ["fake=0", "#/first-run"],
};

/** The share of pixels that differ, counted by the browser. */
function differing(page, one, other) {
  return page.evaluate(
    async ([one, other, { width, height }, difference]) => {
      const pixels = async (picture) => {
        const image = new Image();
        image.src = `data:image/png;base64,${picture}`;
        await image.decode();
        const canvas = new OffscreenCanvas(width, height);
        const pen = canvas.getContext("2d");
        pen.imageSmoothingQuality = "high";
        pen.drawImage(image, 0, 0, width, height);
        return pen.getImageData(0, 0, width, height).data;
      };
      const [a, b] = [await pixels(one), await pixels(other)];
      let count = 0;
      for (let at = 0; at < a.length; at += 4) {
        const most = Math.max(...[0, 1, 2].map((channel) => Math.abs(a[at + channel] - b[at + channel])));
        if (most > difference) count += 1;
      }
      return count / (width * height);
    },
    [one.toString("base64"), other.toString("base64"), SMALL, DIFFERENCE],
  );
}

async function compare(browser, name, [query, hash, prepare], theme) {
  const page = await open(browser, `${query}&seed=7&theme=${theme}`, hash === "first" ? "#/overview" : hash, {
    media: { reducedMotion: "reduce", colorScheme: theme }, at: AT,
  });
  if (hash === "first") {
    await page.getByRole("row").filter({ hasText: "gitlab" }).first().dblclick();
    await page.locator("canvas").first().waitFor();
    await page.waitForTimeout(300);
  }
  if (prepare) await prepare(page);
  const now = await page.screenshot();
  const file = fileURLToPath(new URL(`${name}-${theme}.png`, FOLDER));
  if (process.env.UPDATE_PICTURES) {
    mkdirSync(FOLDER, { recursive: true });
    writeFileSync(file, now);
  }
  assert.ok(existsSync(file), `${file} is not there: UPDATE_PICTURES=1 npm run e2e -- pictures`);
  const share = await differing(page, readFileSync(file), now);
  assert.ok(share <= SHARE, `${name}, ${theme}: ${(share * 100).toFixed(2)} % of it is another picture`);
  return `${(share * 100).toFixed(2)} %`;
}

export const tests = Object.fromEntries(
  Object.entries(SCREENS).flatMap(([name, screen]) =>
    ["light", "dark"].map((theme) => [`picture of ${name}, ${theme}`, (browser) => compare(browser, name, screen, theme)]),
  ),
);
