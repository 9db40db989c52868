// A small WebDriver client: what these tests need of the standard, on fetch.
const ELEMENT = "element-6066-11e4-a52e-4f735466cecf";

export class DriverError extends Error {
  constructor(kind, message) {
    super(`${kind}: ${message}`);
    this.kind = kind;
  }
}

async function call(base, method, path, body) {
  const answer = await fetch(`${base}${path}`, {
    method,
    body: body === undefined ? undefined : JSON.stringify(body),
    headers: { "content-type": "application/json", connection: "close" },
    signal: AbortSignal.timeout(path.includes("async") || path === "/session" ? 60_000 : 15_000),
  });
  const { value } = await answer.json();
  if (!answer.ok) throw new DriverError(value?.error ?? String(answer.status), value?.message ?? "");
  return value;
}

/** One window under automation. */
export class Client {
  #base;

  constructor(base, id) {
    this.#base = `${base}/session/${id}`;
  }

  static async open(base, binary, args) {
    const options = { binary, args };
    const { sessionId } = await call(base, "POST", "/session", {
      capabilities: { alwaysMatch: { "webkitgtk:browserOptions": options } },
    });
    const client = new Client(base, sessionId);
    await client.#post("/timeouts", { script: 45_000, implicit: 0, pageLoad: 30_000 });
    return client;
  }

  static ready(base) {
    return call(base, "GET", "/status").then((value) => value.ready === true);
  }

  #get = (path) => call(this.#base, "GET", path);
  #post = (path, body = {}) => call(this.#base, "POST", path, body);

  handles = () => this.#get("/window/handles");
  switchTo = (handle) => this.#post("/window", { handle });
  source = () => this.#get("/source");

  /** A picture of the window. The driver waits for the next frame, which a page at rest never draws: it is made to. */
  async picture() {
    await this.run(() => {
      const { style } = document.documentElement;
      let left = 40;
      const timer = setInterval(() => {
        left -= 1;
        style.opacity = left % 2 === 0 ? "" : "0.999";
        if (left === 0) clearInterval(timer);
      }, 50);
    });
    return Buffer.from(await this.#get("/screenshot"), "base64");
  }

  end = () => call(this.#base, "DELETE", "");

  /** Runs a function in the page; its arguments and its answer are JSON. */
  run(work, ...args) {
    return this.#post("/execute/sync", { script: `return (${work}).apply(null, arguments)`, args });
  }

  /** As `run`, for a function that gives a promise; gives `{ok}` or `{error}`. */
  ask(work, ...args) {
    const script = `
      const done = arguments[arguments.length - 1];
      Promise.resolve().then(() => (${work}).apply(null, [...arguments].slice(0, -1)))
        .then((ok) => done({ ok: ok ?? null }), (error) => done({ error: error instanceof Error ? String(error) : error }));`;
    return this.#post("/execute/async", { script, args });
  }

  async find(css) {
    const found = await this.#post("/element", { using: "css selector", value: css });
    return found[ELEMENT];
  }

  /** An element that a function finds in the page. */
  async locate(work, ...args) {
    const found = await this.run(work, ...args);
    if (!found) throw new Error("no such element");
    return found[ELEMENT];
  }

  property = (id, name) => this.#get(`/element/${id}/property/${name}`);
  click = (id) => this.#post(`/element/${id}/click`);
  clear = (id) => this.#post(`/element/${id}/clear`);
  type = (id, text) => this.#post(`/element/${id}/value`, { text });

  /** Presses a key wherever the focus is. */
  async press(value) {
    const actions = [{ type: "keyDown", value }, { type: "keyUp", value }];
    await this.#post("/actions", { actions: [{ type: "key", id: "keyboard", actions }] });
  }
}
