// First paint and reopening: from the order to the pixels, for both apps by the same eye.
import { pause, until } from "../../tests/desktop/wait.mjs";
import { now, painted } from "./screen.mjs";
import { tellBeside } from "./tell.mjs";
import { end } from "./world.mjs";

/** Where the table has its names, and where the bare page has its text. */
const NAMES = { x: 290, y: 450, width: 130, height: 330 };
const LINES = { x: 10, y: 40, width: 400, height: 240 };

/** All that is left of a life should be over before the next is measured. */
const REST = 1_500;

async function firstPaint(eye, session, part, ms) {
  const began = now();
  session.launch();
  const at = painted(await eye.watch(part, ms));
  await end(session);
  await pause(REST);
  return at - began;
}

export async function firstPaints(world, eye, rounds) {
  const [ours, bare] = [await world.ours("many"), await world.bare()];
  const took = { ours: [], bare: [] };
  for (let round = 0; round <= rounds; round += 1) {
    const one = { bare: await firstPaint(eye, bare, LINES, 3_000), ours: await firstPaint(eye, ours, NAMES, 6_000) };
    // The first of each fills the caches.
    if (round > 0) for (const who of ["ours", "bare"]) took[who].push(one[who]);
  }
  await ours.close();
  await bare.close();
  tellBeside("exec to first paint of the table, 5000 monitors, 30 days of history", took.ours, took.bare, 300, `${rounds} starts each, by turns`);
}

async function reopening(eye, session, part) {
  const began = now();
  const [seen] = await Promise.all([eye.watch(part, 3_000), session.desktop.activate()]);
  const at = painted(seen);
  await session.closeWindow();
  await pause(REST);
  return at - began;
}

export async function reopenings(world, eye, rounds) {
  const [ours, bare] = [await world.ours("many"), await world.bare()];
  ours.launch("--hidden");
  bare.launch("tray");
  for (const session of [ours, bare]) await until("the icon is in the tray", () => session.desktop.tray());
  // Every monitor was checked by then.
  await pause(15_000);
  const took = { ours: [], bare: [] };
  for (let round = 0; round <= rounds; round += 1) {
    const one = { bare: await reopening(eye, bare, LINES), ours: await reopening(eye, ours, NAMES) };
    if (round > 0) for (const who of ["ours", "bare"]) took[who].push(one[who]);
  }
  for (const session of [ours, bare]) {
    await end(session);
    await session.close();
  }
  tellBeside("from a click on the tray to the table, 5000 monitors", took.ours, took.bare, 250, `${rounds} openings each, by turns, the window destroyed before`);
}
