// Everything that page and core say to each other, as the page's side of Tauri 2 has it.

/** What a message can be: what the page asks, by either way; what the core answers, and what it says unasked. */
export const KINDS = ["request", "post", "body", "answer", "event", "channel"];

// Runs in the page, before a person does anything in it. Tauri asks by `fetch` of `ipc:`, and where that fails by
// `postMessage`; what the core says, to either and by itself, goes through the table of callbacks. `onlyPost`: `fetch` fails.
function record(onlyPost) {
  if (window.traffic) return [];
  const traffic = (window.traffic = []);
  const text = (data) => {
    if (data === undefined || data === null) return "";
    if (typeof data === "string") return data;
    if (data instanceof ArrayBuffer || ArrayBuffer.isView(data)) return new TextDecoder("latin1").decode(data);
    return JSON.stringify(data, (_, value) => (value instanceof ArrayBuffer ? text(value) : value));
  };
  const note = (kind, about, data) => traffic.push({ kind, about, text: text(data) });

  const { fetch } = window;
  const heard = async (to, options = {}) => {
    const address = String(to?.url ?? to);
    const about = decodeURIComponent(new URL(address, location.href).pathname.slice(1));
    if (onlyPost && address.startsWith("ipc:")) throw new TypeError("the tests let it fail");
    note("request", about, `${text(options.body)} ${JSON.stringify([...new Headers(options.headers)])}`);
    const answer = await fetch(to, options);
    note("body", about, await answer.clone().arrayBuffer());
    return answer;
  };
  window.fetch = heard;

  const { callbacks } = window.__TAURI_INTERNALS__;
  const found = (id) => {
    const callback = Map.prototype.get.call(callbacks, id);
    if (!callback) return callback;
    return (data) => {
      const has = (key) => typeof data === "object" && data !== null && key in data;
      const kind = has("event") && has("payload") ? "event" : has("index") && (has("message") || has("end")) ? "channel" : "answer";
      note(kind, kind === "event" ? data.event : "", data);
      return callback(data);
    };
  };
  callbacks.get = found;

  const { ipc } = window.webkit.messageHandlers;
  const { postMessage } = ipc;
  const posted = (data) => {
    note("post", typeof data === "string" ? JSON.parse(data).cmd : "", data);
    return postMessage.call(ipc, data);
  };
  ipc.postMessage = posted;
  const isIn = { fetch: window.fetch === heard, callbacks: callbacks.get === found, postMessage: window.webkit.messageHandlers.ipc.postMessage === posted };
  return Object.entries(isIn).filter(([, is]) => !is).map(([what]) => what);
}

export class Traffic {
  /** What was said in pages that are gone. */
  #before = [];

  /** Hears everything in a page from now on; `onlyPost`: it has to ask by `postMessage`. */
  static async of(page, { onlyPost = false } = {}) {
    const traffic = new Traffic();
    await traffic.follow(page, { onlyPost });
    return traffic;
  }

  /** Goes on in another page, or in the same after it was loaded again. */
  async follow(page, { onlyPost = false } = {}) {
    this.page = page;
    const deaf = await page.client.run(record, onlyPost);
    if (deaf.length > 0) throw new Error(`the traffic cannot be heard: the page lets nobody listen to ${deaf.join(", ")}`);
  }

  /** All that was said. */
  all = async () => [...this.#before, ...(await this.page.client.run(() => window.traffic))];

  /** Keeps what was said, before the page goes. */
  async keep() {
    this.#before = await this.all();
  }
}

/** How many messages there are of each kind. */
export const counted = (all) => Object.fromEntries(KINDS.map((kind) => [kind, all.filter((one) => one.kind === kind).length]));

/** The messages that have a text, as `kind of command`, each once. A text may stand there as JSON writes it. */
export function carriers(all, word) {
  const forms = [word, JSON.stringify(word).slice(1, -1), encodeURIComponent(word), Buffer.from(word).toString("base64").replace(/=+$/, "")];
  const found = all.filter(({ text, about }) => forms.some((form) => text.includes(form) || about.includes(form)));
  return [...new Set(found.map(({ kind, about }) => `${kind} ${about}`.trim()))].sort();
}
