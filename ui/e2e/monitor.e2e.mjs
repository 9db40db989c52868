// A monitor's page, its form and the first run: in both themes, by keyboard, with hostile names, and quick.
import assert from "node:assert/strict";
import { open, settled, violations } from "./browser.mjs";

const THEMES = ["light", "dark"];

async function sound(page, what) {
  assert.deepEqual(await violations(page), [], what);
  assert.deepEqual(page.complaints, [], what);
  const over = await page.evaluate(() => {
    const main = document.querySelector("main");
    return Math.max(document.documentElement.scrollWidth - innerWidth, main.scrollWidth - main.clientWidth);
  });
  assert.ok(over <= 0, `${what}: wider than the window by ${over}`);
}

/** Opens a monitor by its name, or the n-th one. */
async function openMonitor(browser, query, name, { tail = "", ...more } = {}) {
  const page = await open(browser, query, "#/overview", more);
  await page.evaluate(async ([wanted, end]) => {
    const { rows } = await globalThis.fakeCore.board();
    const row = typeof wanted === "number" ? rows.at(wanted) : rows.find((each) => each.name === wanted);
    location.hash = `#/monitor/${row.id}${end}`;
  }, [name, tail]);
  await page.getByRole("main").getByRole("heading", { level: 1 }).waitFor();
  await settled(page);
  return page;
}

const answerChart = (page) => page.getByRole("slider", { name: "Answer time" });

async function windowOf(page) {
  const chart = answerChart(page);
  const [from, to] = await Promise.all(["aria-valuemin", "aria-valuemax"].map((name) => chart.getAttribute(name)));
  return { from: Number(from), to: Number(to), hours: (Number(to) - Number(from)) / 3_600_000 };
}

/** A point of the plot, across its width from 0 to 1. */
async function pointAt(page, share) {
  const box = await page.locator(".over").first().boundingBox();
  return [box.x + box.width * share, box.y + box.height / 2];
}

/** How many pixels of a chart have a colour. */
const painted = (page) =>
  page.locator("canvas").first().evaluate((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return data.reduce((count, value, at) => count + (at % 4 === 3 && value > 0 ? 1 : 0), 0);
  });

export const tests = {
  "a monitor's page is accessible in every state": async (browser) => {
    const worlds = [
      ["", "gitlab"], ["", "router"], ["scenario=none", "gitlab"], ["scenario=broken", "gitlab"], ["scenario=paused", "gitlab"],
      ["scenario=pending", "gitlab"], ["scenario=offline", "gitlab"], ["hostile", -7], ["hostile", -5], ["hostile&language=de", -2],
    ];
    for (const theme of THEMES) {
      for (const [query, name] of worlds) {
        const page = await openMonitor(browser, `${query}&theme=${theme}`, name);
        await sound(page, `${query} ${name} ${theme}`);
        await page.close();
      }
    }
  },

  "a monitor's page fits narrow windows and forced colours": async (browser) => {
    for (const [width, height] of [[1024, 640], [700, 640]]) {
      const page = await openMonitor(browser, "", "gitlab", { width, height });
      await sound(page, `${width}`);
      await page.close();
    }
    const page = await openMonitor(browser, "", "router", { media: { forcedColors: "active" } });
    assert.ok((await painted(page)) > 1000);
  },

  "the chart zooms by drag, pans with shift, and goes back": async (browser) => {
    const page = await openMonitor(browser, "", "gitlab");
    const whole = await windowOf(page);
    assert.equal(Math.round(whole.hours), 24);
    await page.mouse.move(...(await pointAt(page, 0.25)));
    await page.mouse.down();
    await page.mouse.move(...(await pointAt(page, 0.5)), { steps: 4 });
    await page.mouse.up();
    const zoomed = await windowOf(page);
    assert.ok(Math.abs(zoomed.hours - 6) < 0.2, `${zoomed.hours} h`);
    await page.keyboard.down("Shift");
    await page.mouse.move(...(await pointAt(page, 0.25)));
    await page.mouse.down();
    await page.mouse.move(...(await pointAt(page, 0.75)), { steps: 4 });
    await page.mouse.up();
    await page.keyboard.up("Shift");
    const panned = await windowOf(page);
    assert.ok(Math.abs((zoomed.from - panned.from) / 3_600_000 - 3) < 0.2);
    assert.ok(Math.abs(panned.hours - zoomed.hours) < 0.01);
    await page.mouse.dblclick(...(await pointAt(page, 0.5)));
    assert.equal(Math.round((await windowOf(page)).hours), 24);
    assert.deepEqual(page.complaints, []);
  },

  "the chart is read and zoomed by keyboard": async (browser) => {
    const page = await openMonitor(browser, "", "gitlab");
    const chart = answerChart(page);
    await chart.focus();
    await page.keyboard.press("ArrowLeft");
    const newest = await chart.getAttribute("aria-valuetext");
    assert.match(newest, /median .* p95 .* checks?/);
    await page.keyboard.press("ArrowLeft");
    assert.notEqual(await chart.getAttribute("aria-valuetext"), newest);
    await page.getByText("all good").first().waitFor();
    assert.match(await page.getByRole("region", { name: "Where the time goes" }).getByRole("list").textContent(), /connect\s*[\d.]+\sms/);
    await page.keyboard.press("+");
    assert.equal(Math.round((await windowOf(page)).hours), 12);
    await page.keyboard.press("Escape");
    assert.equal(Math.round((await windowOf(page)).hours), 24);
    await page.getByRole("button", { name: "Show as table" }).first().press("Enter");
    await page.getByRole("table", { name: "Answer time" }).waitFor();
    await sound(page, "table");
  },

  "the chart follows the theme": async (browser) => {
    const page = await openMonitor(browser, "theme=light", "gitlab");
    const shot = () => page.locator("canvas").first().evaluate((canvas) => canvas.toDataURL());
    const light = await shot();
    await page.evaluate(() => (document.documentElement.dataset.theme = "dark"));
    await page.waitForTimeout(200);
    assert.notEqual(await shot(), light);
  },

  "the chart is drawn where the system has no language": async (browser) => {
    const page = await browser.context.newPage();
    await page.addInitScript(() => {
      for (const [name, value] of [["language", "C"], ["languages", ["C"]]]) Object.defineProperty(navigator, name, { value, configurable: true });
    });
    await page.goto(`${browser.origin}/?live=0#/overview`);
    await page.getByRole("link", { name: "gitlab", exact: true }).click();
    await answerChart(page).waitFor();
    await settled(page);
    assert.ok((await painted(page)) > 1000);
  },

  "a new check appears without a flicker": async (browser) => {
    const page = await browser.context.newPage();
    await page.goto(`${browser.origin}/?live=1#/overview`);
    await page.waitForFunction(() => globalThis.fakeCore);
    await page.evaluate(async () => {
      const { rows } = await globalThis.fakeCore.board();
      const soon = rows.filter((row) => row.state === "up" && row.nextCheckMs !== null).sort((a, b) => a.nextCheckMs - b.nextCheckMs)[0];
      location.hash = `#/monitor/${soon.id}`;
    });
    await page.locator("summary").first().waitFor();
    await settled(page);
    const before = await page.locator("summary").first().textContent();
    await page.evaluate(() => {
      globalThis.blank = 0;
      new MutationObserver(() => {
        if (!document.querySelector("canvas") || document.querySelector(".skeleton")) globalThis.blank += 1;
      }).observe(document.querySelector("main"), { childList: true, subtree: true });
    });
    await page.waitForFunction((old) => document.querySelector("summary").textContent !== old, before, { timeout: 45_000 });
    assert.equal(await page.evaluate(() => globalThis.blank), 0);
  },

  "every range is drawn after its click": async (browser) => {
    const page = await openMonitor(browser, "", "gitlab");
    await page.evaluate(() => {
      const original = CanvasRenderingContext2D.prototype.clearRect;
      CanvasRenderingContext2D.prototype.clearRect = function clearRect(...box) {
        globalThis.drawn.push(performance.now() - globalThis.clicked);
        return original.apply(this, box);
      };
      document.addEventListener("change", () => Object.assign(globalThis, { clicked: performance.now(), drawn: [] }), true);
    });
    const times = [];
    for (const range of ["1 h", "7 d", "30 d", "1 y", "24 h"]) {
      const ranges = page.getByRole("radiogroup", { name: "Span of time" });
      await ranges.getByRole("radio", { name: range, exact: true }).check({ force: true });
      await page.waitForFunction(() => globalThis.drawn.length > 0);
      await page.waitForTimeout(200);
      times.push(Math.max(...(await page.evaluate(() => globalThis.drawn.filter((time) => time < 200)))));
    }
    return `click to drawn ${times.map((time) => time.toFixed(1)).join(", ")} ms`;
  },

  "a monitor is added by keyboard alone": async (browser) => {
    const page = await open(browser, "", "#/new");
    const tabTo = async (locator) => {
      for (let pressed = 0; pressed < 60; pressed += 1) {
        if (await locator.evaluate((element) => element === document.activeElement)) return;
        await page.keyboard.press("Tab");
      }
      assert.fail("not reached by Tab");
    };
    await tabTo(page.getByRole("radio", { name: /HTTP/ }));
    await page.keyboard.press("ArrowRight");
    await page.getByLabel("Requests in a check").waitFor();
    await tabTo(page.locator("#field-name"));
    await page.keyboard.press("Enter");
    await page.getByText("2 fields need a look.").waitFor();
    await sound(page, "errors");
    await page.keyboard.type("printer");
    await tabTo(page.locator("#field-target"));
    await page.keyboard.type("192.168.1.30");
    await page.keyboard.press("Enter");
    await page.getByText(/printer.*is watched now/).waitFor();
    assert.match(page.url(), /#\/(monitor|overview)/);
  },

  "unsaved changes are not lost by leaving": async (browser) => {
    const page = await openMonitor(browser, "", "gitlab", { tail: "/edit" });
    await page.locator("#field-interval").fill("2m");
    await page.getByRole("link", { name: "Cancel" }).click();
    await page.getByRole("button", { name: "Stay here" }).click();
    assert.match(page.url(), /edit$/);
    assert.equal(await page.locator("#field-interval").inputValue(), "2m");
    await page.getByRole("link", { name: "Incidents" }).first().click();
    await page.getByRole("button", { name: "Discard changes" }).click();
    await page.waitForURL(/incidents$/);
  },

  "a conflict shows both versions": async (browser) => {
    for (const theme of THEMES) {
      const page = await openMonitor(browser, `conflict&theme=${theme}`, "gitlab", { tail: "/edit" });
      await page.locator("#field-interval").fill("2m");
      await page.getByRole("button", { name: "Save" }).click();
      await page.getByRole("dialog", { name: "The file was changed elsewhere" }).waitFor();
      await sound(page, `conflict ${theme}`);
      await page.getByRole("button", { name: "Keep mine on top" }).click();
      await page.getByText(/was saved\./).waitFor();
      await page.close();
    }
  },

  "hostile names stay inside the form": async (browser) => {
    const page = await openMonitor(browser, "hostile", -7, { tail: "/edit", width: 1024, height: 640 });
    await sound(page, "form");
    assert.equal(await page.locator("img").count(), 0);
  },

  "the first run watches what is ticked": async (browser) => {
    for (const theme of THEMES) {
      const page = await open(browser, `fake=0&theme=${theme}`, "#/first-run");
      await sound(page, `first run ${theme}`);
      await page.getByLabel("nas.lan").focus();
      await page.keyboard.press("Space");
      await page.getByRole("button", { name: "Watch these 5" }).press("Enter");
      await page.waitForURL(/overview$/);
      await page.getByText("5 monitors are watched now.").waitFor();
      await page.close();
    }
  },

  "the first run takes a file and says where it is wrong": async (browser) => {
    const page = await open(browser, "fake=0", "#/first-run");
    const file = (text) => ({ name: "config.yml", mimeType: "text/yaml", buffer: Buffer.from(text) });
    await page.locator("input[type=file]").setInputFiles(file("nonsense"));
    await page.getByText("line 1, column 1").waitFor();
    await sound(page, "problems");
    await page.evaluate(() => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File(["monitoring:\n  groups:\n    - monitors: []\n"], "config.yml"));
      for (const type of ["dragover", "drop"]) {
        document.body.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer }));
      }
    });
    await page.waitForURL(/overview$/);
    await page.getByText("The file was taken over.").waitFor();
  },
};
