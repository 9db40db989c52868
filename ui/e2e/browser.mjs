// The built window in a browser, under the policy that it has on the desktop.
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { chromium } from "playwright-core";
import { preview } from "vite";

const AXE = readFileSync(new URL(import.meta.resolve("axe-core/axe.min.js")), "utf8");

const POLICY = [
  "default-src 'self'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "font-src 'self'",
  "connect-src ipc: http://ipc.localhost", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'",
].join("; ");

const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

function chromiumPath() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  const found = (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, "chromium")).find(existsSync);
  if (!found) throw new Error("no chromium in PATH; set CHROMIUM to the path of one");
  return found;
}

/** A port that the kernel chose. */
function freePort() {
  return new Promise((done) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });
}

export async function start() {
  const port = await freePort();
  const server = await preview({
    logLevel: "error",
    build: { outDir: "dist-browser" },
    preview: { host: "127.0.0.1", port, strictPort: true, headers: { "Content-Security-Policy": POLICY } },
  });
  const profile = mkdtempSync(join(tmpdir(), "hallmonitor-e2e-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: chromiumPath(), args: FLAGS, locale: "en-GB", timezoneId: "UTC",
  });
  return {
    origin: `http://127.0.0.1:${port}`,
    context,
    async stop() {
      await context.close();
      await server.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}

/** Opens a page of the fake world; what it complains about is collected in `page.complaints`.
 * `at` stops the clock. */
export async function open({ context, origin }, query, hash, { width = 1280, height = 800, media = {}, at = null } = {}) {
  const page = await context.newPage();
  page.complaints = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") page.complaints.push(message.text());
  });
  page.on("pageerror", (error) => page.complaints.push(String(error)));
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
  });
  if (at) await page.clock.setFixedTime(at);
  await page.setViewportSize({ width, height });
  await page.emulateMedia(media);
  await page.goto(`${origin}/?live=0&${query}${hash}`);
  await page.getByRole("main").waitFor();
  await settled(page);
  return page;
}

/** Nothing is on its way any more. */
export async function settled(page) {
  await page.waitForFunction(() => !document.querySelector(".skeleton"), null, { timeout: 5000 }).catch(() => {});
  await page.waitForTimeout(250);
}

/** All rules, contrast included. */
export async function violations(page) {
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { violations: found } = await globalThis.axe.run(document);
    return found.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.target.join(" ")} ${node.any[0]?.message ?? ""}`).join(" | ")}`);
  });
}
