// In the tray with the web view gone: memory and processor time beside the bare tray app's. And sizes on disk.
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { pss, tree } from "../../tests/desktop/process.mjs";
import { pause, until } from "../../tests/desktop/wait.mjs";
import { tell } from "./tell.mjs";
import { end } from "./world.mjs";

const TICK_MS = 10;
const MIB = 1024 * 1024;

/** Processor time of a process and all below it, in milliseconds. */
function processor(root) {
  return tree(root).reduce((sum, { pid }) => {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1).split(" ");
    return sum + (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  }, 0);
}

const memory = (root) => tree(root).reduce((sum, { pid }) => sum + pss(pid), 0) / MIB;

/** Memory and processor time over a time; `settle` and `watch` in seconds. */
async function rest(session, settle, watch) {
  await pause(settle * 1_000);
  const before = processor(session.pid);
  const began = performance.now();
  const sizes = [];
  while (performance.now() - began < watch * 1_000) {
    sizes.push(memory(session.pid));
    await pause(5_000);
  }
  const share = ((processor(session.pid) - before) / (performance.now() - began)) * 100;
  return { mib: Math.max(...sizes), least: Math.min(...sizes), share };
}

/** A life without a window, and after one was there and is destroyed. */
async function life(session, mode, settle, watch) {
  session.launch(mode);
  await until("the icon is in the tray", () => session.desktop.tray());
  const hidden = await rest(session, settle, watch);
  await session.desktop.activate();
  await until("the window is there", () => session.windows().length > 0);
  await pause(4_000);
  await session.closeWindow();
  const closed = await rest(session, settle / 2, watch);
  await end(session);
  await session.close();
  return { hidden, closed };
}

export async function inTray(world) {
  const bare = await life(await world.bare(), "tray", 10, 15);
  const ours = await life(await world.ours("few"), "--hidden", 60, 60);
  for (const [which, how] of [["hidden", "started hidden"], ["closed", "the window destroyed"]]) {
    const [a, b] = [ours[which], bare[which]];
    const counted = "1000 HTTP monitors at 60 s, for a minute, whole process tree";
    tell(`in the tray, ${how}: memory (PSS)`, {
      figure: `${a.mib.toFixed(1)} MiB, ${(((a.mib - b.mib) * MIB) / 1e6).toFixed(1)} MB more than bare`,
      spread: `${a.least.toFixed(1)}–${a.mib.toFixed(1)} MiB`,
      limit: `${b.mib.toFixed(1)} MiB (bare tray app)`,
      ratio: a.mib / b.mib,
      reach: "≤ bare + 25 MB",
      counted,
    });
    tell(`in the tray, ${how}: processor`, {
      figure: `${a.share.toFixed(2)} % of a core`, limit: `${b.share.toFixed(2)} % (bare tray app)`, reach: "≤ 1.5 %", counted,
    });
  }
}

export function sizes(root, app) {
  const folder = join(root, "ui/dist/assets");
  const code = readdirSync(folder).filter((name) => /\.(js|css)$/.test(name));
  const packed = code.reduce((sum, name) => sum + gzipSync(readFileSync(join(folder, name)), { level: 9 }).length, 0);
  tell("the window's code, gzip", { figure: `${(packed / 1000).toFixed(1)} kB`, reach: "≤ 300 kB", counted: `${code.length} files of script and style, without fonts` });
  const bundles = join(app, "../bundle/deb");
  const [deb] = existsSync(bundles) ? readdirSync(bundles).filter((name) => name.endsWith(".deb")) : [];
  const file = deb ? join(bundles, deb) : app;
  tell("package", {
    figure: `${(statSync(file).size / 1e6).toFixed(2)} MB`, reach: "≤ 15 MB", counted: deb ? "the .deb" : "no .deb was built: the program itself, not packed",
  });
}
