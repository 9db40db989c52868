// Storage in a browser: by keyboard alone, in both themes, narrow and in German, in every state of its panels.
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

async function fillIn(page, password) {
  await page.getByRole("button", { name: /^PostgreSQL/ }).click();
  await page.getByLabel("Host", { exact: true }).fill("db.lan");
  await page.getByLabel("Password", { exact: true }).fill(password);
}

/** Presses Tab until something has the focus. */
async function tabTo(page, name) {
  for (let presses = 0; presses < 80; presses += 1) {
    const here = await page.evaluate(() => {
      const at = document.activeElement?.matches("button, a, input, select, summary") ? document.activeElement : null;
      return `${at?.getAttribute("aria-label") ?? ""} ${at?.labels?.[0]?.textContent ?? ""} ${at?.textContent ?? ""}`;
    });
    if (here.includes(name)) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`${name} cannot be reached by keyboard`);
}

/** Goes to a place five times; the middle of the times until something of it is there, in milliseconds. */
async function opening(page, place, css) {
  const times = [];
  for (let round = 0; round < 5; round += 1) {
    await page.evaluate(() => (location.hash = "#/overview"));
    await page.getByRole("grid").waitFor();
    const going = async ({ place, css }) => {
      const began = performance.now();
      location.hash = place;
      while (!document.querySelector(css)) await new Promise(requestAnimationFrame);
      return performance.now() - began;
    };
    times.push(await page.evaluate(going, { place, css }));
  }
  return times.toSorted((a, b) => a - b)[2];
}

export const tests = {
  "storage is accessible while it is set up, tested, refused and used": async (browser) => {
    for (const theme of THEMES) {
      const page = await open(browser, `theme=${theme}`, "#/storage");
      await fillIn(page, "wrong");
      await page.getByLabel("Protection (TLS)").selectOption("verify-full");
      await page.getByLabel("Port", { exact: true }).fill("0");
      await page.getByRole("button", { name: "Test connection" }).click();
      await page.getByText(/is out of range/).waitFor();
      await sound(page, `errors ${theme}`);
      await page.getByLabel("Port", { exact: true }).fill("");
      for (const part of ["Connections and time-outs", "Read replicas", "More settings"]) await page.locator("summary", { hasText: part }).click();
      await page.getByRole("button", { name: "Test connection" }).click();
      await page.getByText("Does not work yet.").waitFor();
      await sound(page, `failed ${theme}`);
      await page.getByLabel("Password", { exact: true }).fill("secret");
      await page.getByRole("button", { name: "Test connection" }).click();
      await page.getByText("Everything works.").waitFor();
      await page.getByRole("button", { name: "Use PostgreSQL…" }).click();
      await sound(page, `question ${theme}`);
      await page.getByRole("dialog").getByRole("button", { name: "Use PostgreSQL" }).click();
      await page.getByText(/History goes to PostgreSQL/).waitFor();
      await settled(page);
      await sound(page, `used ${theme}`);
      await page.close();
    }
  },

  "storage stands in every world": async (browser) => {
    for (const [at, world] of ["scenario=none", "scenario=faults", "scenario=broken", "fake=0", "fake=5000"].entries()) {
      const page = await open(browser, `${world}&theme=${THEMES[at % 2]}`, "#/storage");
      await page.getByRole("heading", { level: 1 }).waitFor();
      await sound(page, world);
      await page.close();
    }
  },

  "storage by keyboard alone": async (browser) => {
    const page = await open(browser, "", "#/storage");
    await tabTo(page, "PostgreSQL");
    await page.keyboard.press("Enter");
    await page.getByLabel("Host", { exact: true }).waitFor();
    await tabTo(page, "Host");
    await page.keyboard.type("db.lan");
    await tabTo(page, "Password");
    await page.keyboard.type("secret");
    // Enter in a field tests, as forms do.
    await page.keyboard.press("Enter");
    await page.getByText("Everything works.").waitFor();
    await tabTo(page, "Use PostgreSQL…");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    await tabTo(page, "Use PostgreSQL");
    await page.keyboard.press("Escape");
    assert.equal(await page.getByRole("dialog").count(), 0);
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").getByRole("button", { name: "Use PostgreSQL" }).focus();
    await page.keyboard.press("Enter");
    await page.getByText(/History goes to PostgreSQL/).waitFor();
    assert.deepEqual(page.complaints, []);
  },

  "a long removal shows how far it is, and again to who comes back": async (browser) => {
    for (const query of ["theme=light", "theme=dark&language=de"]) {
      const page = await open(browser, `prune=4000&${query}`, "#/storage");
      const button = page.getByRole("button", { name: /^(Remove what is older now|Älteres jetzt entfernen)$/ });
      await button.click();
      const bar = page.getByRole("progressbar");
      await bar.waitFor();
      await page.getByText(/^(Summing up what goes|Fasst zusammen, was geht): \d/).waitFor();
      await sound(page, `summing up ${query}`);
      assert.equal(await button.getAttribute("aria-disabled"), "true");
      await page.evaluate(() => (location.hash = "#/overview"));
      await page.getByRole("grid").waitFor();
      await page.evaluate(() => (location.hash = "#/storage"));
      await page.getByText(/^(Removing|Entfernt): \d/).waitFor();
      const share = async () => Number(await bar.getAttribute("aria-valuenow"));
      const before = await share();
      await page.waitForFunction((before) => Number(document.querySelector("[role=progressbar]")?.ariaValueNow) > before, before);
      await page.getByText(/rows? so far|bisher/).waitFor();
      await sound(page, `removing ${query}`);
      await bar.waitFor({ state: "detached" });
      assert.notEqual(await button.getAttribute("aria-disabled"), "true");
    }
  },

  "a monitor gets times of its own by keyboard alone, and the store a limit": async (browser) => {
    for (const theme of THEMES) {
      const page = await open(browser, `fake=300&theme=${theme}`, "#/storage");
      await page.getByText("All monitors are kept for the times above.").waitFor();
      await page.getByRole("button", { name: "Add a monitor" }).focus();
      await page.keyboard.press("Enter");
      // The focus is where one goes on.
      await page.keyboard.type("router");
      await page.getByRole("list", { name: "Which monitor?" }).getByRole("button").first().waitFor();
      assert.ok((await page.getByRole("list", { name: "Which monitor?" }).getByRole("button").count()) <= 6);
      await sound(page, `choosing ${theme}`);
      await page.keyboard.press("Tab");
      await page.keyboard.press("Enter");
      await page.keyboard.type("soon");
      await page.getByText("Something is wrong here").waitFor();
      assert.ok(await page.getByRole("button", { name: "Save", exact: true }).isDisabled());
      await sound(page, `wrong ${theme}`);
      await page.keyboard.press("Control+A");
      await page.keyboard.type("90d");
      await page.getByText("Every result: 90 days").waitFor();
      await page.getByRole("textbox", { name: "Room at most" }).fill("1GB");
      await page.waitForFunction(() => [...document.querySelectorAll("button")].some((one) => one.textContent.trim() === "Save" && !one.disabled));
      await sound(page, `right ${theme}`);
      await page.setViewportSize({ width: 400, height: 640 });
      await sound(page, `narrow ${theme}`);
      await page.setViewportSize({ width: 1280, height: 800 });
      await page.getByRole("button", { name: "Save", exact: true }).press("Enter");
      await page.getByText("Saved. What is older goes within the hour.").waitFor();
      assert.equal(await page.getByRole("textbox", { name: "Room at most" }).inputValue(), "1GB");
      await page.getByRole("button", { name: /as all others$/ }).press("Enter");
      await page.getByText("All monitors are kept for the times above.").waitFor();
      assert.match(await page.evaluate(() => document.activeElement?.textContent ?? ""), /Add a monitor/);
      await page.getByRole("button", { name: "Save", exact: true }).click();
      await settled(page);
      await sound(page, `taken away ${theme}`);
      await page.close();
    }
  },

  "storage and secrets fit narrow windows and long words": async (browser) => {
    for (const [width, height] of [[1024, 640], [700, 640], [400, 640]]) {
      const page = await open(browser, "language=de&theme=dark", "#/storage", { width, height });
      await page.getByRole("button", { name: /^PostgreSQL/ }).click();
      await page.getByLabel("Rechner", { exact: true }).fill("db.".repeat(60));
      await page.getByLabel("Passwort", { exact: true }).fill("falsch");
      await page.getByRole("button", { name: "Verbindung prüfen" }).click();
      await page.getByText("Es funktioniert noch nicht.").waitFor();
      await sound(page, `storage ${width}`);
      await page.close();
      const secrets = await open(browser, "language=de", "#/secrets", { width, height });
      await sound(secrets, `secrets ${width}`);
      await secrets.getByRole("button", { name: "Geheimnis hinzufügen …" }).click();
      await sound(secrets, `secret ${width}`);
      await secrets.close();
    }
    for (const [width, theme, language] of [[400, "light", "de"], [700, "dark", "en"], [1280, "light", "en"], [1280, "dark", "de"]]) {
      const page = await open(browser, `scenario=faults&locked&secrets=300&hostile&language=${language}&theme=${theme}`, "#/secrets", { width, height: 900 });
      await page.getByRole("button", { name: language === "de" ? "Entsperren …" : "Unlock…" }).waitFor();
      await sound(page, `readable secrets ${width} ${theme}`);
      await page.getByRole("button", { name: language === "de" ? "Entsperren …" : "Unlock…" }).click();
      await sound(page, `readable secrets ${width} ${theme}, asked`);
      await page.evaluate(() => document.querySelector("main").scrollTo(0, 0));
      if (process.env.HALLMONITOR_LOOK) await page.locator("main").screenshot({ path: `${process.env.HALLMONITOR_LOOK}/secrets-${width}-${theme}.png` });
      await page.close();
    }
    const page = await open(browser, "", "#/storage", { media: { forcedColors: "active" } });
    assert.deepEqual(page.complaints, []);
    await page.close();
  },

  "ten thousand secrets are there at once, and moved by keyboard alone": async (browser) => {
    const page = await open(browser, "scenario=faults&secrets=10000", "#/secrets", { width: 1280, height: 900 });
    await page.getByText("10,002 secrets").waitFor();
    const middle = await opening(page, "#/secrets", "main input[type=search]");
    await page.getByRole("button", { name: "Move: header Authorization, monitor “wiki”" }).focus();
    await page.keyboard.press("Enter");
    await page.getByText("1 secret moved into").waitFor();
    await page.getByRole("button", { name: "Move all into the keychain" }).focus();
    await page.keyboard.press("Enter");
    await page.getByText("3 secrets moved into").waitFor();
    await page.getByRole("searchbox", { name: "Find a secret or who uses it" }).focus();
    await page.keyboard.type("device-777");
    await page.getByText("11 secrets").waitFor();
    assert.deepEqual(page.complaints, []);
    return `${Math.round(middle)} ms`;
  },

  "storage is there at once": async (browser) => {
    const page = await open(browser, "fake=5000", "#/overview");
    const middle = await opening(page, "#/storage", "main button[aria-pressed]");
    return `median ${middle.toFixed(0)} ms to its cards`;
  },
};
