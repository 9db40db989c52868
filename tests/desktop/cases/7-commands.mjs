// The window's commands with arguments that no window sends: each is answered, nothing panics, the app goes on.
import { configOf } from "../config.mjs";
import { httpServer } from "../servers.mjs";
import { assert, equal, until } from "../wait.mjs";

// Runs in the page. Values are made there: NaN and a megabyte of text need not go through the driver.
async function attack(only, id) {
  const long = "x".repeat(1 << 20);
  const ids = ["", id, "../../etc/passwd", "/etc/passwd", "..\\\\..", "00000000-0000-0000-0000-000000000000", "\u0000", "%2e%2e", long, null, 7, {}, []];
  const lists = [[], [""], ids.slice(0, 8), Array(10_000).fill("nobody"), Array.from({ length: 10_000 }, (_, at) => `m${at}`), [long], null, "all", { length: 3 }, [null], [[]]];
  const numbers = [0, -1, 1, NaN, Infinity, -Infinity, 1e308, -1e308, 5e-324, 2 ** 31, 2 ** 32, 2 ** 53, 2 ** 64, 1.5, null, "7", long, {}, [], true];
  const texts = ["", long, "\u0000", "\ud800", "${secret:all}", "monitoring: [", "a: &a [*a]", null, 7, [], {}];
  const draft = (more) => ({ id: null, kind: "http", group: "lab", values: { name: "x", url: "http://127.0.0.1:1/" }, inherited: {}, base: "of another file", ...more });
  const drafts = [
    null, {}, [], 7, long, draft({ group: long }), draft({ kind: long }), draft({ kind: "" }), draft({ group: "" }), draft({ id: long }), draft({ id }), draft({ base: long }),
    draft({ values: { name: long, url: long } }), draft({ values: { name: "", url: "" } }), draft({ values: { name: "a\nb: [", url: "\u0000" } }), draft({ values: { [long]: "x" } }),
    draft({ values: { "../x": "y", type: "dns", enabled: "maybe", interval: "-1s", timeout: "1e308s", labels: { [long]: long } } }),
    draft({ values: Object.fromEntries(Array.from({ length: 10_000 }, (_, at) => [`k${at}`, "v"])) }), draft({ base: null }), draft({ values: null }), draft({ inherited: { name: 7 } }),
  ];
  const form = (more) => ({ backend: "postgres", values: {}, secrets: {}, base: "of another file", place: null, ...more });
  const forms = [
    null, {}, [], 7, long, form({ backend: long }), form({ backend: "../x" }), form({ values: { host: long } }), form({ values: { [long]: "x" } }),
    form({ values: { host: "\u0000", port: "-1", caFile: "/etc/shadow", schema: "a\nb: [" } }), form({ values: null }), form({ values: { host: 7 } }),
    form({ secrets: { password: { is: "typed", text: long } } }), form({ secrets: { password: { is: "pasted", handle: long } } }),
    form({ secrets: { host: { is: "typed", text: "x" } } }), form({ secrets: { password: { is: "else" } } }), form({ secrets: null }), form({ place: long }),
    form({ place: "nowhere" }), form({ base: null }),
  ];
  const kept = [null, {}, 7, { values: {}, base: "of another file" }, { values: { raw: long }, base: "of another file" }, { values: { [long]: "1d" }, base: "x" }, { values: { raw: "-1d", day: "\u0000" }, base: "x" }];
  const scopes = [null, {}, { group: long }, { monitor: "../x" }, { group: "a", monitor: "b" }, 7, [], "all"];
  const cursors = [null, {}, 7, { startedMs: NaN, seq: -1 }, { startedMs: 1e308, id: long }, [], long];
  const now = Date.now();
  const all = {
    board: { x: numbers },
    figures: { window: ["24h", "7d", "30d", "90d", "1y", "", "9999y", ...texts] },
    days: { scope: scopes, days: numbers },
    row_histories: { ids: lists },
    monitor_page: { id: ids },
    series: { id: ids, from: numbers, to: [now, ...numbers], buckets: [300, ...numbers] },
    parts: { id: ids, from: numbers, to: [now, ...numbers], buckets: [300, ...numbers] },
    incidents: { id: ids, from: numbers, to: [now, ...numbers], limit: [50, ...numbers] },
    results: { id: ids, limit: numbers, after: cursors },
    check_now: { ids: lists },
    pause: { ids: lists.slice(1), until: [now, ...numbers] },
    resume: { ids: lists },
    acknowledge: { incident: ids, note: texts },
    mute: { until: [...numbers, null] },
    form_spec: {},
    draft: { of: [...drafts.slice(0, 5), { id: long }, { id: "../x" }, { kind: "telepathy" }, { kind: long, group: long }, { kind: "http", group: 7 }] },
    check_draft: { draft: drafts },
    save_draft: { draft: drafts },
    remove_monitors: { ids: lists.filter((list) => !(Array.isArray(list) && list.includes(id))) },
    versions: {},
    storage_overview: {},
    storage_draft: { backend: [...texts, "embedded", "../x"] },
    check_storage: { form: forms },
    take_apart: { backend: ["postgres", ...texts], address: [...texts, "postgres://u:p@h/d", `postgres://${long}`, "http://[::1", "postgres://%ff@h"] },
    use_storage: { form: forms.filter((each) => each?.base !== null) },
    stop_looking: {},
    storage_state: {},
    show_former: { contact: texts },
    dead_letters: {},
    retry_letters: { ids: lists },
    drop_letters: { ids: lists },
    retention: {},
    check_retention: { form: kept },
    save_retention: { form: kept.filter((each) => each?.base === "of another file") },
    secrets: {},
    vault_places: {},
    set_secret: { name: ["", "a b", "../x", long, null, 7], text: ["x", ...texts], place: [null, "nowhere", long, 7] },
    forget_secret: { name: ["", "a b", "../x", long, null, 7, "nobody"] },
    plain_secrets: {},
    move_plain_secrets: { numbers: [[0], [], [-1, 1e9, 0.5], null, 7, long], base: ["of another file", ...texts], place: [null, "nowhere", long, 7] },
    unlock_keychain: {},
    stop_unlocking: {},
    prune_storage: {},
    diagnostics: {},
    restore_version: { id: ids },
    first_run: {},
    watch: { suggestions: lists.filter((list) => !Array.isArray(list) || list.length !== 0) },
    import_config: { text: texts },
    preferences: {},
    set_preferences: { preferences: [null, {}, [], 7, long, { theme: "no" }] },
    about: {},
    place: {},
    set_place: { hash: [...texts, "no hash", `#${long}`] },
    close: { choice: ["", "no", null, 7, long], remember: [true] },
    "no_such_command": { x: texts },
    "plugin:fs|read_file": { path: ["/etc/passwd"] },
    "plugin:shell|open": { path: ["/bin/sh"] },
    "plugin:store|load": { path: ["/etc/passwd"] },
    "plugin:window|close": { label: ["main"] },
    "plugin:dialog|open": { options: [{}, null] },
    "plugin:dialog|save": { options: [{}, null] },
    "plugin:event|emit": { event: ["navigate"], payload: [{ hash: "#/settings" }] },
  };
  const short = (value) => {
    const text = JSON.stringify(value, (_, each) => (typeof each === "number" && !Number.isFinite(each) ? String(each) : each)) ?? String(value);
    return text.length > 120 ? `${text.slice(0, 120)}… (${text.length})` : text;
  };
  const kinds = {};
  const bad = [];
  let count = 0;
  let slowest = { ms: 0, what: "" };
  const spec = all[only];
  const base = Object.fromEntries(Object.entries(spec).map(([key, values]) => [key, values[0]]));
  const tries = [{}, ...Object.entries(spec).flatMap(([key, values]) => values.map((value) => ({ ...base, ...(key === "id" ? {} : { ...("id" in base ? { id } : {}) }), [key]: value })))];
  for (const args of tries) {
    count += 1;
    const began = performance.now();
    const late = new Promise((done) => setTimeout(() => done({ late: true }), 20_000));
    const answer = await Promise.race([late, window.__TAURI_INTERNALS__.invoke(only, args).then((ok) => ({ ok }), (error) => ({ error }))]);
    const ms = performance.now() - began;
    if (ms > slowest.ms) slowest = { ms: Math.round(ms), what: short(args) };
    const kind = answer.late ? "late" : "ok" in answer ? "ok" : typeof answer.error === "string" ? "text" : (answer.error?.code ?? "untyped");
    kinds[kind] = (kinds[kind] ?? 0) + 1;
    if (kind === "late" || kind === "untyped" || kind === "internal") bad.push(`${only}(${short(args)}): ${kind} ${short(answer.error ?? null)}`);
  }
  return { count, kinds, bad, slowest };
}

const COMMANDS = [
  "board", "figures", "days", "row_histories", "monitor_page", "series", "parts", "incidents", "results", "check_now", "pause", "resume",
  "acknowledge", "mute", "form_spec", "draft", "check_draft", "save_draft", "remove_monitors", "versions", "restore_version", "first_run",
  "watch", "import_config", "storage_overview", "storage_draft", "check_storage", "take_apart", "use_storage", "stop_looking", "storage_state",
  "show_former", "dead_letters", "retry_letters", "drop_letters", "retention", "check_retention", "save_retention", "secrets", "vault_places", "set_secret",
  "forget_secret", "plain_secrets", "move_plain_secrets", "unlock_keychain", "stop_unlocking", "prune_storage", "diagnostics", "preferences", "set_preferences", "about", "place", "set_place", "close",
];
const FORBIDDEN = ["no_such_command", "plugin:fs|read_file", "plugin:shell|open", "plugin:store|load", "plugin:window|close", "plugin:dialog|open", "plugin:dialog|save", "plugin:event|emit"];

export const cases = {
  "every command with hostile and huge arguments": async (t) => {
    const wiki = await t.server(httpServer());
    t.configure(configOf([["wiki", wiki.url]]));
    await t.withDesktop();
    const page = await t.open();
    await page.row("wiki", "up");
    const file = t.fileText();
    const { id } = (await page.invoke("board")).ok.rows[0];
    const bad = [];
    let count = 0;
    let slowest = { ms: 0 };
    for (const command of [...COMMANDS, ...FORBIDDEN]) {
      const { ok, error } = await page.client.ask(attack, command, id);
      assert(ok, `${command}: ${JSON.stringify(error)}`);
      count += ok.count;
      bad.push(...ok.bad);
      if (ok.slowest.ms > slowest.ms) slowest = { ...ok.slowest, command };
      if (FORBIDDEN.includes(command)) assert(!ok.kinds.ok, `the window may use ${command}`);
      assert(t.isRunning(), `the app ended at ${command}`);
      if (process.env.HALLMONITOR_DESKTOP_TELL) console.log(command, JSON.stringify(ok));
    }
    assert(t.fileText() === file, `the file was changed:\n${t.fileText()}`);
    assert(bad.length === 0, `${bad.length} answers are not as they should be: ${bad.slice(0, 8).join(" | ")}`);
    await page.invoke("mute", { until: null });
    await page.invoke("resume", { ids: [] });
    const from = wiki.accepted;
    await until("checks go on", () => wiki.accepted > from + 2);
    await page.row("wiki", "up");
    return `${count} calls; the slowest took ${slowest.ms} ms: ${slowest.command} ${slowest.what}`;
  },

  "every screen: nothing is stopped by the content policy, nothing is told to the console": async (t) => {
    const wiki = await t.server(httpServer());
    t.configure(configOf([["wiki", wiki.url]]));
    await t.withDesktop();
    const page = await t.open();
    await page.row("wiki", "up");
    const { id } = (await page.invoke("board")).ok.rows[0];
    for (const hash of ["#/incidents", "#/storage", "#/secrets", "#/settings", "#/new", `#/monitor/${id}`, `#/monitor/${id}/edit`, "#/first-run", "#/monitor/nobody", "#/overview"]) {
      await page.goTo(hash);
      await until(`${hash} is there`, async () => (await page.hash()) === hash && (await page.text("main")));
    }
    await page.client.press("?");
    await page.shows("dialog[open]", /./);
    await page.client.press("\uE00C");
    await until("the dialog is gone", async () => (await page.text("dialog[open]")) === null);
    // The policy is in force, and the listener hears of it: no script of others runs, nothing is fetched.
    const nobody = await t.server(httpServer());
    await page.client.run(() => {
      const script = document.createElement("script");
      script.textContent = "window.ran = true";
      document.body.append(script);
      script.remove();
    });
    assert(!(await page.client.run(() => window.ran ?? false)), "a script of others ran");
    const fetched = await page.client.ask((url) => fetch(url).then(() => true), nobody.url);
    assert(fetched.error, "the window may fetch");
    await until("both are told", async () => {
      const heard = await page.heard();
      return ["policy: script-src", "policy: connect-src"].every((what) => heard.some((each) => each.startsWith(what))) ? heard.length : null;
    });
    equal(nobody.accepted, 0, "connections");
    await page.client.run(() => void (window.heard = []));
  },
};
