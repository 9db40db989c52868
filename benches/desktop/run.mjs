// Measures the built desktop app beside a bare one of the same versions, on a display and a desktop of its own.
// Started by `cargo xtask bench desktop`, which prepares what is measured; `--only` takes a part: paint, reopen, scroll,
// turn, chart, rest, size, storage.
import { join } from "node:path";
import { Display } from "../../tests/desktop/display.mjs";
import { findAll } from "../../tests/desktop/programs.mjs";
import { firstPaints, reopenings } from "./paint.mjs";
import { inTray, sizes } from "./rest.mjs";
import { Eye } from "./screen.mjs";
import { storage } from "./storage.mjs";
import { Turning, charts, scrolling, turns } from "./window.mjs";
import { World } from "./world.mjs";

const { BENCH_FOLDER: folder, BENCH_TURNING_PORT: port, BENCH_BARE: bare } = process.env;
if (!folder || !port || !bare) throw new Error("start this with `cargo xtask bench desktop`");
const only = process.argv[process.argv.indexOf("--only") + 1] ?? null;
const wanted = (part) => !process.argv.includes("--only") || only.split(",").includes(part);

const programs = findAll();
const turning = await new Turning().start(Number(port));
const display = await Display.open(join(folder, `display-${process.pid}`));
const eye = await Eye.open(display.name);
const world = new World({ folder, display, programs, bare });
try {
  if (wanted("size")) sizes(join(import.meta.dirname, "../.."), programs.app);
  if (wanted("paint")) await firstPaints(world, eye, 5);
  if (wanted("reopen")) await reopenings(world, eye, 5);
  if (wanted("scroll")) await scrolling(world);
  if (wanted("turn")) await turns(world, turning, 30);
  if (wanted("chart")) await charts(world, 8);
  if (wanted("storage")) await storage(world, 20);
  if (wanted("rest")) await inTray(world);
} finally {
  await world.close();
  eye.close();
  turning.stop();
  await display.close();
}
