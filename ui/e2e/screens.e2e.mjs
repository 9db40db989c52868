// Every screen in every theme, at every size of the world: accessible, within the policy, within its bounds.
import assert from "node:assert/strict";
import { open, settled, violations } from "./browser.mjs";

const SCREENS = ["#/overview", "#/incidents", "#/storage", "#/secrets", "#/settings", "#/first-run", "#/new"];
const THEMES = ["light", "dark"];

async function sound(page, what) {
  assert.deepEqual(await violations(page), [], what);
  assert.deepEqual(page.complaints, [], what);
}

/** Nothing sticks out of the window sideways. */
async function within(page, what) {
  const over = await page.evaluate(() => {
    const main = document.querySelector("main");
    return { page: document.documentElement.scrollWidth - innerWidth, main: main.scrollWidth - main.clientWidth };
  });
  assert.ok(over.page <= 0 && over.main <= 0, `${what}: wider than the window by ${JSON.stringify(over)}`);
}

export const tests = {
  "every screen in both themes is accessible": async (browser) => {
    for (const theme of THEMES) {
      for (const hash of SCREENS) {
        const page = await open(browser, `theme=${theme}`, hash);
        await sound(page, `${hash} ${theme}`);
        await page.close();
      }
    }
  },

  "a monitor and its form are accessible": async (browser) => {
    for (const theme of THEMES) {
      const page = await open(browser, `theme=${theme}`, "#/overview");
      await page.getByRole("link", { name: "gitlab", exact: true }).click();
      await page.getByRole("heading", { level: 1, name: /gitlab/ }).waitFor();
      await settled(page);
      await sound(page, `monitor ${theme}`);
      await page.goto(`${page.url()}/edit`);
      await settled(page);
      await sound(page, `form ${theme}`);
      await page.close();
    }
  },

  "the overview stands in every world": async (browser) => {
    const worlds = [
      "fake=0", "fake=5", "fake=200", "fake=5000", "scenario=calm", "scenario=several", "scenario=degraded", "scenario=offline",
      "scenario=asleep", "scenario=paused", "scenario=pending", "scenario=faults", "scenario=none", "fake=1&scenario=calm",
    ];
    for (const [index, world] of worlds.entries()) {
      const page = await open(browser, `${world}&theme=${THEMES[index % 2]}`, "#/overview");
      await page.getByRole("heading", { level: 1 }).waitFor();
      await within(page, world);
      await sound(page, world);
      await page.close();
    }
  },

  "when history is broken, the state of now is still there": async (browser) => {
    const page = await open(browser, "scenario=broken", "#/overview");
    await page.getByRole("link", { name: "router", exact: true }).waitFor();
    await page.getByText("the database does not answer").first().waitFor();
    await sound(page, "broken");
  },

  "hostile names stay names": async (browser) => {
    for (const hash of ["#/overview", "#/incidents", "#/new"]) {
      const page = await open(browser, "hostile&scenario=several&fake=3", hash);
      await within(page, hash);
      await sound(page, hash);
      assert.equal(await page.locator("img").count(), 0);
      await page.close();
    }
    const page = await open(browser, "hostile&fake=3", "#/overview");
    await page.getByRole("link", { name: "<img src=x onerror=alert(1)>" }).first().click();
    await page.getByRole("heading", { level: 1 }).waitFor();
    await settled(page);
    await within(page, "monitor");
    assert.deepEqual(page.complaints, []);
  },

  "small windows, twice the size and German lose nothing": async (browser) => {
    const sizes = [[1024, 640], [640, 400], [400, 640]];
    for (const [width, height] of sizes) {
      for (const hash of SCREENS) {
        const page = await open(browser, "language=de", hash, { width, height });
        await within(page, `${hash} at ${width}`);
        await sound(page, `${hash} at ${width}`);
        await page.close();
      }
    }
  },

  "targets are at least 24 pixels": async (browser) => {
    for (const hash of SCREENS) {
      const page = await open(browser, "", hash);
      const small = await page.evaluate(() =>
        [...document.querySelectorAll("main button, main input, main select, header button, header a, nav.rail a")]
          .filter((element) => element.checkVisibility({ opacityProperty: false }))
          .map((element) => ({ box: (element.closest("label") ?? element.closest(".pick") ?? element).getBoundingClientRect(), html: element.outerHTML.slice(0, 120) }))
          .filter(({ box }) => box.width > 0 && (box.width < 23.5 || box.height < 23.5))
          .map(({ box, html }) => `${Math.round(box.width)}×${Math.round(box.height)} ${html}`),
      );
      assert.deepEqual(small, [], hash);
      await page.close();
    }
  },

  "nothing jumps while answers come in": async (browser) => {
    for (const hash of ["#/overview", "#/incidents", "#/storage", "#/settings"]) {
      const page = await browser.context.newPage();
      await page.setViewportSize({ width: 1280, height: 800 });
      await page.addInitScript(() => {
        globalThis.shifts = [];
        new PerformanceObserver((list) => {
          for (const entry of list.getEntries()) {
            globalThis.shifts.push(`${entry.value.toFixed(4)} ${entry.sources.map(({ node }) => node?.className ?? node?.nodeName).join(", ")}`);
          }
        }).observe({ type: "layout-shift", buffered: true });
      });
      await page.goto(`${browser.origin}/?live=0&delay=300${hash}`);
      await page.getByRole("main").waitFor();
      await page.waitForTimeout(2200);
      const shifts = await page.evaluate(() => globalThis.shifts);
      const sum = shifts.reduce((total, shift) => total + Number.parseFloat(shift), 0);
      assert.ok(sum < 0.02, `${hash}: ${shifts.join("; ")}`);
      await page.close();
    }
  },

  "forced colours and less motion": async (browser) => {
    const page = await open(browser, "", "#/overview", { media: { forcedColors: "active", reducedMotion: "reduce" } });
    await page.getByRole("grid").waitFor();
    assert.deepEqual(page.complaints, []);
    const moving = await page.evaluate(() => document.getAnimations().filter((one) => one.effect?.getTiming().duration > 0).length);
    assert.equal(moving, 0);
  },

  "a language of no locale is no trouble": async (browser) => {
    const page = await browser.context.newPage();
    await page.addInitScript(() => {
      Object.defineProperty(navigator, "language", { value: "C", configurable: true });
      Object.defineProperty(navigator, "languages", { value: ["C"], configurable: true });
    });
    const errors = [];
    page.on("pageerror", (error) => errors.push(String(error)));
    await page.goto(`${browser.origin}/?live=0#/overview`);
    await page.getByRole("link", { name: "gitlab", exact: true }).click();
    await page.getByRole("heading", { level: 1, name: /gitlab/ }).waitFor();
    await settled(page);
    assert.deepEqual(errors, []);
  },
};
