// Runs the browser tests one after the other: `npm run e2e [-- words of names]`. Needs `npm run build` and a Chromium.
import { readdirSync } from "node:fs";
import { start } from "./browser.mjs";

const wanted = process.argv.slice(2).map((word) => word.toLowerCase());
const files = readdirSync(new URL(".", import.meta.url)).filter((name) => name.endsWith(".e2e.mjs")).sort();
const browser = await start();
let failed = 0;
let passed = 0;
try {
  for (const file of files) {
    const { tests } = await import(`./${file}`);
    for (const [name, run] of Object.entries(tests)) {
      if (wanted.length > 0 && !wanted.some((word) => `${file} ${name}`.toLowerCase().includes(word))) continue;
      const began = Date.now();
      try {
        const note = await run(browser);
        passed += 1;
        console.log(`ok    ${name} (${Date.now() - began} ms)${note ? `: ${note}` : ""}`);
      } catch (error) {
        failed += 1;
        console.error(`FAIL  ${name}\n${error.stack ?? error}`);
      } finally {
        for (const page of browser.context.pages().slice(1)) await page.close();
      }
    }
  }
} finally {
  await browser.stop();
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
