// What goes on inside the window: scrolling, changes of state, charts. Measured in the page of the real app.
import http from "node:http";
import { pause, until } from "../../tests/desktop/wait.mjs";
import { median, quantile, spread, tell } from "./tell.mjs";
import { end } from "./world.mjs";

const RANGES = ["1h", "24h", "7d", "30d", "1y"];
const SCROLL_MS = 20_000;

async function open(world) {
  const session = await world.ours("many");
  const page = await session.open();
  await until("the table is there", async () => (await page.rows()).length > 5);
  // The spread of first checks, and what they change.
  await pause(15_000);
  return { session, page };
}

// Runs in the page: scrolls from the top to the end at an even speed; the lengths of all frames.
function scroll(ms) {
  const box = document.querySelector("main");
  const far = box.scrollHeight - box.clientHeight;
  box.scrollTop = 0;
  return new Promise((done) => {
    const frames = [];
    let empty = 0;
    let began = 0;
    let last = 0;
    const step = (at) => {
      if (last > 0) frames.push(at - last);
      else began = at;
      last = at;
      if (document.querySelectorAll("[role=row][data-index]").length < 10) empty += 1;
      box.scrollTop = Math.min(far, (far * (at - began)) / ms);
      if (at - began < ms) requestAnimationFrame(step);
      else done({ frames, far, empty });
    };
    requestAnimationFrame(step);
  });
}

export async function scrolling(world) {
  const { session, page } = await open(world);
  const answer = await page.client.ask(scroll, SCROLL_MS);
  if (answer.error) throw new Error(JSON.stringify(answer.error));
  const { frames, far, empty } = answer.ok;
  await end(session);
  await session.close();
  const counted = `${frames.length} frames over ${Math.round(far)} px in ${SCROLL_MS / 1000} s, ${empty} without rows`;
  tell("scroll over 5000 rows: frame p50 / p95", {
    figure: `${median(frames).toFixed(0)} / ${quantile(frames, 0.95).toFixed(0)} ms`, spread: spread(frames, "ms"), reach: "p95 ≤ 33 ms", counted,
  });
  tell("scroll over 5000 rows: longest frame", { figure: `${Math.max(...frames).toFixed(0)} ms`, reach: "≤ 100 ms", counted });
}

// Runs in the page: notes when a row turned and the frame after that was begun.
function watchRow(name) {
  const state = () => {
    const link = [...document.querySelectorAll("[role=row] .name")].find((each) => each.textContent.trim() === name);
    return link?.closest("[role=row]")?.querySelector("svg")?.getAttribute("class") ?? null;
  };
  window.turns = [];
  let known = state();
  new MutationObserver(() => {
    const is = state();
    if (is === known || is === null) return;
    known = is;
    const turn = { state: is, inDom: performance.timeOrigin + performance.now() };
    requestAnimationFrame(() => requestAnimationFrame(() => {
      turn.onScreen = performance.timeOrigin + performance.now();
      window.turns.push(turn);
    }));
  }).observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ["class"], characterData: true });
}

/** A server whose answers turn from good to bad and back; when it gave the first of each. */
export class Turning {
  #good = true;
  #since = null;

  async start(port) {
    this.server = http.createServer((_, answer) => {
      answer.on("close", () => (this.#since ??= performance.timeOrigin + performance.now()));
      answer.writeHead(this.#good ? 200 : 500, { connection: "close" }).end();
    });
    await new Promise((done, failed) => this.server.once("error", failed).listen(port, "127.0.0.1", done));
    return this;
  }

  turn() {
    this.#good = !this.#good;
    this.#since = null;
  }

  get since() {
    return this.#since;
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

export async function turns(world, turning, rounds) {
  const { session, page } = await open(world);
  await page.client.run(watchRow, "turning");
  const took = [];
  const inDom = [];
  for (let round = 0; round < rounds; round += 1) {
    turning.turn();
    const turn = await until("the row turns", () => page.client.run(() => window.turns.shift() ?? null), { within: 10_000 });
    took.push(turn.onScreen - turning.since);
    inDom.push(turn.inDom - turning.since);
    // Not always in the same place of the second.
    await pause(300 + ((round * 370) % 1_000));
  }
  await end(session);
  await session.close();
  const counted = `${rounds} changes among 5000 monitors at 5 min; from the answer's end to two frames after the row`;
  tell("state change on screen: p50 / p95", {
    figure: `${median(took).toFixed(0)} / ${quantile(took, 0.95).toFixed(0)} ms`, spread: spread(took, "ms"), reach: "≤ 300 ms", counted,
  });
  console.log(`in the document: ${median(inDom).toFixed(0)} / ${quantile(inDom, 0.95).toFixed(0)} ms`);
}

// Runs in the page: notes questions and drawings.
function watchCharts() {
  const clock = () => performance.now();
  window.seen = { asked: [], drawn: [] };
  const original = window.fetch;
  window.fetch = async (...all) => {
    const what = String(all[0]?.url ?? all[0]).split("/").at(-1);
    const one = { what, from: clock(), to: null };
    window.seen.asked.push(one);
    const answer = await original.apply(window, all);
    one.to = clock();
    return answer;
  };
  for (const name of ["clearRect", "stroke", "fill", "fillText"]) {
    const paint = CanvasRenderingContext2D.prototype[name];
    CanvasRenderingContext2D.prototype[name] = function (...all) {
      const [chart] = document.querySelectorAll("main canvas");
      if (this.canvas === chart) window.seen.drawn.push(clock());
      return paint.apply(this, all);
    };
  }
}

// Runs in the page: chooses a range, and tells how long it took until its chart was drawn.
async function choose(range) {
  const next = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
  const panel = document.querySelector("main canvas").closest("section");
  const button = panel.querySelector(`input[value="${range}"]`);
  if (!button) throw new Error(`no range ${range}`);
  window.seen.asked.length = 0;
  window.seen.drawn.length = 0;
  const began = performance.now();
  button.click();
  const question = (what) => window.seen.asked.find((one) => one.what === what);
  const last = () => window.seen.drawn.at(-1) ?? 0;
  for (;;) {
    await next();
    const series = question("series");
    if (series?.to && last() > series.to && performance.now() - last() > 120) break;
    if (performance.now() - began > 8_000) throw new Error(`not drawn: ${JSON.stringify({ ...window.seen, drawn: window.seen.drawn.length })}`);
  }
  const series = question("series");
  // The burst of drawing that follows the answer.
  const after = window.seen.drawn.filter((at) => at > series.to);
  let end = after[0];
  for (const at of after) if (at - end < 40) end = at;
  while (!question("parts")?.to && performance.now() - began < 8_000) await next();
  const parts = question("parts");
  return { drawn: end - began, asked: series.from - began, answered: series.to - began, parts: parts?.to ? parts.to - began : null };
}

export async function charts(world, rounds) {
  const { session, page } = await open(world);
  const board = await page.invoke("board");
  const { id } = board.ok.rows.find((row) => row.name === "charted");
  await page.goTo(`#/monitor/${id}`);
  await until("the chart is there", () => page.client.run(() => document.querySelectorAll("main canvas").length > 0));
  await pause(3_000);
  await page.client.run(watchCharts);
  const took = [];
  for (let round = 0; round < rounds; round += 1) {
    for (const range of [...RANGES.slice(2), ...RANGES.slice(0, 2)]) {
      const answer = await page.client.ask(choose, range);
      if (answer.error) throw new Error(JSON.stringify(answer.error));
      took.push({ range, ...answer.ok });
      await pause(200);
    }
  }
  await end(session);
  await session.close();
  const of = (key, range) => took.filter((one) => range === undefined || one.range === range).map((one) => one[key]);
  for (const range of RANGES) {
    const part = (key) => median(of(key, range)).toFixed(0);
    console.log(`${range}: drawn ${part("drawn")} ms, asked after ${part("asked")}, answered after ${part("answered")}, parts answered after ${part("parts")}`);
  }
  const drawn = of("drawn");
  tell("chart of any range, click to drawn: p50 / p95", {
    figure: `${median(drawn).toFixed(0)} / ${quantile(drawn, 0.95).toFixed(0)} ms`,
    spread: spread(drawn, "ms"),
    reach: "p95 ≤ 150 ms",
    counted: `${drawn.length} of ${RANGES.join(", ")}; a month of results at 60 s; worst range ${RANGES.map((range) => [quantile(of("drawn", range), 0.95), range]).sort((a, b) => b[0] - a[0])[0][1]}`,
  });
}
