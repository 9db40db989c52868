// A word that is a secret, from the keys of a person to the server: what page and core say to each other, the memory of
// the web view, and pictures of the screen are searched for it.
import { join } from "node:path";
import { configOf } from "../config.mjs";
import { DIALOG, FORM, choose, inUse, look, use } from "../forms.mjs";
import { inMemory, webProcesses } from "../memory.mjs";
import { isOn, newWord, textOn } from "../pictures.mjs";
import { nowhere } from "../secrecy.mjs";
import { httpServer } from "../servers.mjs";
import { StorageServers, keychain } from "../storage.mjs";
import { Traffic, carriers, counted } from "../traffic.mjs";
import { assert, equal, until } from "../wait.mjs";

/** The questions that a person types a secret into. */
const FORM_QUESTIONS = ["check_storage", "look_at_storage", "use_storage"];

/** The screens that have to do with secrets, what their heading says, and what shows that they are whole. */
const SCREENS = [
  { hash: "#/storage", title: "Where history is kept", css: "main form .secret", whole: /set .* ago, in the system's keychain/ },
  { hash: "#/secrets", title: "Passwords and tokens", css: "section[aria-labelledby=secrets-list]", whole: /in the system's keychain/ },
  { hash: "#/settings", title: "Settings", css: "main", whole: /Diagnostics/ },
];

/** Takes pictures of the display, and reads them all at the end, side by side. */
class Pictures {
  #read = [];

  constructor(t) {
    this.t = t;
  }

  /** One of what the page shows now. */
  async take(page, name) {
    await page.client.ask(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1)))));
    const file = join(this.t.folder, `${name}.png`);
    this.t.display.picture(file);
    const text = textOn(file);
    // Whoever waits hears of a fault; until then it is nobody's.
    text.catch(() => undefined);
    this.#read.push({ name, text });
  }

  all = () => Promise.all(this.#read.map(async ({ name, text }) => ({ name, text: await text })));
}

/** Opens screens that have to do with secrets, and what is handed on from there. */
async function visit(page, { screens = SCREENS, seen = async () => undefined } = {}) {
  for (const { hash, title, css, whole } of screens) {
    await page.goTo(hash);
    await page.shows("main h1", new RegExp(`^${title}$`));
    await page.shows(css, whole);
    await seen(`again ${hash.slice(2)}`);
  }
  await page.click("Show…", "section[aria-labelledby=settings-diagnostics] button");
  await page.shows("dialog[open] pre", /./);
  await seen("again diagnostics");
  await page.click("Close", DIALOG);
}

/** A secret of a name of one's own, kept in the window. */
async function keep(page, name, secret, seen = async () => undefined) {
  await page.goTo("#/secrets");
  await page.click("Add a secret…", "main button");
  await page.fill("Name", name);
  await page.fill("Secret", secret);
  await seen();
  await page.click("Keep it", DIALOG);
  await page.toast(new RegExp(`“${name}” is kept in`));
}

/** How often a word stands in the memory of the web view's processes, by their names. */
function found(t, words) {
  return webProcesses(t.pid).map(({ pid, name }) => ({ name, ...inMemory(pid, words) }));
}

/** A word stands in no process of the web view, whose memory was read: another word, which the page has, is found. */
function notInMemory(t, secret, marker) {
  const processes = found(t, [secret, marker]);
  equal(processes.map(({ name }) => name).sort(), ["WebKitNetworkPr", "WebKitWebProces"], "the web view's processes");
  for (const { name, counts, bytes } of processes) {
    assert(bytes > 1_000_000, `only ${bytes} bytes of ${name} were read`);
    equal(counts[secret], 0, `how often the secret stands in the memory of ${name}`);
  }
  assert(processes.find(({ name }) => name === "WebKitWebProces").counts[marker] > 0, `“${marker}” is on the page and was not found in its memory`);
  return processes.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Enough was heard, of each kind, to say something about what was not. */
function heardEnough(all, least) {
  const count = counted(all);
  for (const [kind, wanted] of Object.entries(least)) assert(count[kind] >= wanted, `only ${count[kind]} of ${kind} were heard: ${JSON.stringify(count)}`);
  return count;
}

const told = (count) => Object.entries(count).map(([kind, many]) => `${many} ${kind}`).join(", ");

export const cases = {
  "canary: what is typed goes to the core and never comes back, not into memory and not onto the screen": async (t) => {
    const [secret, marker] = [newWord(), newWord()];
    const wiki = await t.server(httpServer());
    t.configure(configOf([[marker, wiki.url]]));
    await t.withDesktop();
    await t.server(keychain(t));
    const servers = await t.server(StorageServers.open());
    const sql = servers.postgres;
    equal(await servers.ask(`password ${secret}`), true, "the server takes the password");
    const pictures = new Pictures(t);
    let page = await t.open();
    const traffic = await Traffic.of(page);
    await page.row(marker, "up");
    await pictures.take(page, "overview");

    // Typed: in the form, and as a secret of its own.
    await page.goTo("#/storage");
    await choose(page, "PostgreSQL");
    for (const [label, text] of [["Host", sql.host], ["Port", String(sql.port)], ["Database", sql.database], ["User", sql.user], ["Password", secret]]) {
      await page.fill(label, text);
    }
    await pictures.take(page, "typed");
    // What the search of pictures and that of memory would find.
    const reveal = (type) => page.client.run((as) => void (document.getElementById("storage-password").type = as), type);
    await reveal("text");
    await pictures.take(page, "revealed");
    await reveal("password");
    const typed = found(t, [secret]).find(({ name }) => name === "WebKitWebProces");
    assert(typed.counts[secret] > 0, "what is being typed was not found in the page's memory");
    await page.click("Test connection", FORM);
    await look(page, /Everything works\./);
    await use(page, "PostgreSQL");
    await inUse(page, "PostgreSQL");
    await until("results are in the database", async () => (await servers.rows()) >= 2);
    await keep(page, "spare", secret, () => pictures.take(page, "dialog"));
    await visit(page);
    const questions = [...FORM_QUESTIONS, "set_secret"].map((command) => `request ${command}`);
    equal(carriers(await traffic.all(), secret), questions.sort(), "what carried the secret");
    await traffic.keep();
    await page.keepHeard();
    await t.desktop.press("Quit");
    await t.ended(8_000);
    await t.kill();

    // Nobody types anything: the core takes it from the keychain.
    page = await t.open();
    await traffic.follow(page);
    const rows = await servers.rows();
    await until("results go on", async () => (await servers.rows()) > rows);
    await visit(page, { seen: (name) => pictures.take(page, name) });
    await page.goTo("#/overview");
    await page.row(marker, "up");
    const read = notInMemory(t, secret, marker);
    await nowhere(t, page, secret);
    const all = await traffic.all();
    const count = heardEnough(all, { request: 60, body: 60, answer: 60, event: 5, channel: 8 });
    equal(carriers(all, secret), questions.sort(), "what carried the secret, of all");
    const kinds = new Set(carriers(all, marker).map((which) => which.split(" ")[0]));
    for (const kind of ["body", "answer", "event"]) assert(kinds.has(kind), `the monitor's name was not heard in any ${kind}`);

    // Pictures.
    const texts = await pictures.all();
    const where = (word) => texts.filter(({ text }) => isOn(text, word)).map(({ name }) => name);
    equal(where(secret), ["revealed"], "the pictures that show the secret");
    assert(where(marker).includes("overview"), "the monitor's name was not read off the overview");
    for (const { hash, title } of SCREENS) assert(where(title).includes(`again ${hash.slice(2)}`), `“${title}” was not read off its picture`);
    assert(where("cannot be read here again").includes("again secrets"), "small grey letters were not read");
    return `${told(count)}; ${Math.round(read / 1e6)} MB of memory; ${texts.length} pictures`;
  },

  "canary: a page that may only post its questions, and a window that is opened anew": async (t) => {
    const [secret, marker] = [newWord(), newWord()];
    const wiki = await t.server(httpServer());
    t.configure(configOf([[marker, wiki.url]]));
    await t.withDesktop();
    await t.server(keychain(t));
    let page = await t.open();
    const traffic = await Traffic.of(page, { onlyPost: true });
    await page.row(marker, "up");
    await keep(page, "spare", secret);
    const screens = SCREENS.filter(({ hash }) => hash !== "#/storage");
    await visit(page, { screens });
    await page.goTo("#/overview");
    await page.click(marker, "[role=row] .name a");
    await page.heading(new RegExp(marker));
    await page.click("Edit");
    await until("the core says something unasked", async () => counted(await traffic.all()).event >= 3);
    await until("an answer has the monitor's name", async () => carriers(await traffic.all(), marker).includes("answer"));
    const all = await traffic.all();
    const count = heardEnough(all, { post: 15, answer: 15 });
    equal([count.request, count.body], [0, 0], "what went the usual way");
    equal(carriers(all, secret), ["post set_secret"], "what carried the secret");

    // The app is the one to which it was typed; the page is not.
    await page.keepHeard();
    await t.closeWindow();
    await t.desktop.press("Open Hall Monitor");
    page = await t.inNewWindow();
    await traffic.follow(page);
    await visit(page, { screens });
    await page.goTo("#/overview");
    await page.row(marker, "up");
    const read = notInMemory(t, secret, marker);
    await nowhere(t, page, secret);
    equal(carriers(await traffic.all(), secret), [], "what carried the secret to the new window");
    return `${told(count)}; ${Math.round(read / 1e6)} MB of memory`;
  },
};
