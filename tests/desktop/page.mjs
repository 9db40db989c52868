// What a person sees and does in the window.
import { until } from "./wait.mjs";

// Runs in the page. Anything that the content policy stops, and every fault, is remembered.
function listen() {
  if (window.heard) return false;
  window.heard = [];
  const note = (what) => window.heard.push(what);
  document.addEventListener("securitypolicyviolation", (event) => note(`policy: ${event.violatedDirective} ${event.blockedURI}`));
  window.addEventListener("error", (event) => note(`error: ${event.message}`));
  window.addEventListener("unhandledrejection", (event) => note(`rejection: ${event.reason}`));
  const { error } = console;
  console.error = (...words) => {
    note(`console: ${words.join(" ")}`);
    error.apply(console, words);
  };
  return true;
}

// Runs in the page. What the policy would have to stop was there before anybody could listen: it can be seen.
function suspicious() {
  const found = [...document.querySelectorAll("script:not([src]), script[src^='http'], [onclick], [onload], [onerror], link[href^='http']")];
  const sheets = [...document.querySelectorAll("link[rel=stylesheet]")].filter((link) => !link.sheet);
  return [...found, ...sheets].map((element) => element.outerHTML.slice(0, 200));
}

// Runs in the page: the element that is called so, by its words or its label, among those of a selector.
function named(css, name) {
  const nameOf = (element) => element.getAttribute("aria-label") ?? element.textContent.trim().replace(/\s+/g, " ");
  const all = [...document.querySelectorAll(css)].filter((element) => element.getClientRects().length > 0);
  return all.find((element) => nameOf(element) === name) ?? all.find((element) => nameOf(element).startsWith(name)) ?? null;
}

// Runs in the page: the input of a field, by the words of its label.
function field(label) {
  const found = [...document.querySelectorAll("form label.label")].find((each) => each.firstChild?.textContent?.trim() === label);
  return found ? document.getElementById(found.htmlFor) : null;
}

// Runs in the page: what the table says about each monitor.
function rows() {
  return [...document.querySelectorAll("[role=row][data-index]")].flatMap((row) => {
    const name = row.querySelector(".name")?.textContent.trim();
    if (!name) return [];
    const cell = (css) => row.querySelector(css)?.textContent.trim() ?? "";
    return [{ name, state: row.querySelector("svg")?.getAttribute("class").split(" ")[0], now: cell(".now"), target: cell(".target"), kind: cell(".kind") }];
  });
}

// Runs in the page: a button of the toast that says so.
function ofToast(words, name) {
  const toast = [...document.querySelectorAll(".toast")].find((each) => each.textContent.includes(words));
  return [...(toast?.querySelectorAll("button") ?? [])].find((button) => button.textContent.trim() === name) ?? null;
}

export class Page {
  /** What was heard in windows that are closed. */
  #heard = [];

  constructor(client) {
    this.client = client;
  }

  async listen() {
    await this.client.run(listen);
  }

  /** Everything that went wrong in the window since it was opened. */
  async heard() {
    const now = await this.client.run(() => window.heard ?? []).catch(() => []);
    return [...this.#heard, ...now, ...(await this.client.run(suspicious).catch(() => []))];
  }

  /** Keeps what was heard, before the window is closed. */
  async keepHeard() {
    this.#heard = await this.heard();
  }

  /** Goes on in another window; false while there is none that answers. */
  async follow() {
    const handles = await this.client.handles();
    if (handles.length === 0) return false;
    await this.client.switchTo(handles[handles.length - 1]);
    return this.client.run(() => document.readyState !== "loading" && location.protocol === "tauri:");
  }

  hash = () => this.client.run(() => location.hash);
  goTo = (hash) => this.client.run((to) => void (location.hash = to), hash);
  invoke = (command, args = {}) => this.client.ask((name, all) => window.__TAURI_INTERNALS__.invoke(name, all), command, args);
  rows = () => this.client.run(rows);
  text = (css) => this.client.run((which) => document.querySelector(which)?.textContent.trim().replace(/\s+/g, " ") ?? null, css);

  /** Waits for text in an element. */
  shows(css, pattern, within = 20_000) {
    return until(`${css} shows ${pattern}`, async () => {
      const text = await this.text(css);
      if (text === null || !pattern.test(text)) throw new Error(`it shows ${JSON.stringify(text)}`);
      return text;
    }, { within });
  }

  sentence = (pattern, within) => this.shows("main .hero h1", pattern, within);
  heading = (pattern, within) => this.shows("main header h1", pattern, within);

  /** Waits for a row of the table to be in a state. */
  row(name, state, within = 20_000) {
    return until(`${name} is ${state} in the table`, async () => {
      const all = await this.rows();
      const row = all.find((each) => each.name === name);
      if (row?.state !== state) throw new Error(`the table has ${JSON.stringify(all)}`);
      return row;
    }, { within });
  }

  exists = (css, name) => this.client.locate(named, css, name).then(() => true, () => false);

  async element(css, name) {
    return until(`${name} among ${css}`, () => this.client.locate(named, css, name));
  }

  /** Clicks what is called so. */
  async click(name, css = "button, a, [role=menuitem]") {
    await until(`${name} can be clicked`, async () => {
      await this.client.click(await this.client.locate(named, css, name));
      return true;
    });
  }

  /** Clicks what closes the window: the driver may find it gone before it can answer. */
  async clickAway(name, css) {
    const element = await this.element(css, name);
    await this.client.click(element).catch((error) => {
      if (!["no such window", "invalid session id", "unknown error"].includes(error.kind)) throw error;
    });
  }

  /** Opens the menu of a row and chooses. */
  async rowMenu(row, item) {
    await this.click(`Actions for ${row}`);
    await this.click(item, "[role=menuitem]");
  }

  /** Types into a field. A form that is drawn anew meanwhile takes it at the next try. */
  fill(label, text) {
    return until(`${label} has ${text}`, async () => {
      const input = await this.client.locate(field, label);
      await this.client.clear(input);
      await this.client.type(input, text);
      return (await this.client.property(await this.client.locate(field, label), "value")) === text;
    });
  }

  /** Chooses one of the words of a field. */
  async choose(label, word) {
    const select = await until(`${label} is there`, () => this.client.locate(field, label));
    await this.client.type(select, word);
    await until(`${label} is ${word}`, async () => (await this.client.property(await this.client.locate(field, label), "value")) === word);
  }

  /** What a field has. */
  value = async (label) => this.client.property(await this.client.locate(field, label), "value");

  /** Clicks what a toast offers. */
  clickToast = (words, name) => until(`${name} of the toast “${words}”`, async () => {
    await this.client.click(await this.client.locate(ofToast, words, name));
    return true;
  });

  /** Waits for a toast. */
  toast = (pattern) => this.shows(".host", pattern);
}
