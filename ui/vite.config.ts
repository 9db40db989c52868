import { svelte } from "@sveltejs/vite-plugin-svelte";
import { svelteTesting } from "@testing-library/svelte/vite";
import { defineConfig } from "vitest/config";

// The engines of the desktops that are supported: they know light-dark() and oklch(), so nothing is rewritten.
const ENGINES = ["safari17.5", "chrome123"];

export default defineConfig({
  base: "./",
  plugins: [svelte(), svelteTesting()],
  build: {
    outDir: "dist",
    target: ENGINES,
    cssTarget: ENGINES,
    // The polyfill and data: addresses would need exceptions in the content security policy.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
  },
  test: {
    include: ["src/**/*.test.ts"],
    environment: "happy-dom",
    pool: "threads",
    maxWorkers: 1,
    // The machines that run this are busy with other builds as well.
    testTimeout: 30_000,
    env: { TZ: "UTC" },
  },
});
