// Where history goes: from the window to real servers and back, with passwords in a real keychain.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { configOf } from "../config.mjs";
import { DIALOG, FILES, FORM, choose, chooseFile, inUse, look, use, watching } from "../forms.mjs";
import { nowhere } from "../secrecy.mjs";
import { httpServer } from "../servers.mjs";
import { LOGIN, StorageServers, keychain, ownKeychain, prompter } from "../storage.mjs";
import { Traffic, carriers, counted } from "../traffic.mjs";
import { assert, equal, until } from "../wait.mjs";

/** When the newest result that can be read was taken. */
async function newest(page, id) {
  const { ok } = await page.invoke("results", { id, limit: 1, after: null });
  return ok?.results[0]?.timeMs ?? 0;
}

export const cases = {
  "storage: from embedded to PostgreSQL, through an outage, to InfluxDB and back": async (t) => {
    const wiki = await watching(t);
    await t.server(keychain(t));
    const servers = await t.server(StorageServers.open());
    const sql = servers.postgres;
    let page = await t.open();
    const traffic = await Traffic.of(page);
    await page.row("wiki", "up");
    await page.goTo("#/storage");
    await inUse(page, "Embedded");
    await page.shows("section[aria-labelledby=storage-health]", /Last write.*ago/);

    // A wrong password: the step, the remedy, and nothing is saved.
    const before = t.fileText();
    await choose(page, "PostgreSQL");
    await page.fill("Host", sql.host);
    await page.fill("Port", String(sql.port));
    await page.fill("Database", sql.database);
    await page.fill("User", sql.user);
    await page.fill("Password", "wrong");
    await page.click("Test connection", FORM);
    const said = await look(page, /Does not work yet\./);
    assert(/Log-in.*failed.*password authentication failed.*ALTER ROLE "hallmonitor" PASSWORD/.test(said), said);
    equal([t.fileText(), await servers.ask("schemas")], [before, 0], "file and schemas after a look that failed");

    // The right one.
    await page.fill("Password", sql.password);
    const began = Date.now();
    await page.click("Test connection", FORM);
    await look(page, /Everything works\./);
    const tested = Date.now() - began;
    equal(await servers.ask("schemas"), 0, "schemas after a look that passed");
    const checks = wiki.accepted;
    await use(page, "PostgreSQL");
    await page.toast(/History goes to PostgreSQL from now on\. The secret is kept in the system's keychain\./);
    await inUse(page, "PostgreSQL");
    await until("results are in the database", async () => (await servers.rows()) >= 2);
    assert(wiki.accepted > checks, "checks stopped");
    assert(t.fileText().startsWith("# mine\n") && t.fileText().includes("${secret:postgres-password}"), t.fileText());
    await page.shows("section[aria-labelledby=storage-spans]", /Embedded.*is shown/);
    await nowhere(t, page, sql.password);

    // A restart: the password comes from the keychain.
    await page.keepHeard();
    await traffic.keep();
    await t.desktop.press("Quit");
    await t.ended(8_000);
    await t.kill();
    page = await t.open();
    await traffic.follow(page);
    // It opens where it was.
    await inUse(page, "PostgreSQL");
    const rows = await servers.rows();
    await until("results go on", async () => (await servers.rows()) > rows + 1);
    await page.shows("main form .secret", /set .* ago, in the system's keychain/);

    // The server is away: it is told in words, nothing is down, nothing is lost.
    await servers.ask("stop");
    await page.shows("section[aria-labelledby=storage-health]", /does not answer.*rows?, oldest from/, 60_000);
    await page.shows(".banner.fault", /Storage: .*wait in the journal/, 100_000);
    await page.goTo("#/overview");
    await page.row("wiki", "up");
    await servers.ask("start");
    await until("the banner goes", async () => (await page.text(".banner.fault")) === null, { within: 90_000 });
    const board = (await page.invoke("board")).ok;
    const history = await page.invoke("results", { id: board.rows[0].id, limit: 5000, after: null });
    await until("all of it is in the database", async () => (await servers.rows()) + 3 >= rows + 60);
    assert(history.ok.results.length > 0, "history cannot be read");

    // InfluxDB by a pasted address, first with a token that may only read.
    await page.goTo("#/storage");
    await choose(page, "InfluxDB");
    const { url, org, bucket, reader, token } = servers.influxdb;
    await page.client.run((text) => {
      const input = document.getElementById("storage-url");
      const data = new DataTransfer();
      data.setData("text/plain", text);
      input.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
    }, `${url}/api/v2/write?org=${encodeURIComponent(org)}&bucket=${bucket}&token=${encodeURIComponent(reader)}`);
    await page.shows("main form .secret", /from the pasted address/);
    await page.click("Test connection", FORM);
    const refused = await look(page, /Does not work yet\./);
    assert(/May write.*failed/.test(refused), refused);
    await page.click("Change Token", "main form button");
    await page.fill("Token", token);
    await page.click("Test connection", FORM);
    await look(page, /Everything works\./);
    await use(page, "InfluxDB");
    await inUse(page, "InfluxDB");
    await until("results are in InfluxDB", async () => (await servers.ask("points")) >= 2);
    for (const secret of [token, reader]) await nowhere(t, page, secret);

    // Back: its history is there again, the others say what they have.
    await choose(page, "Embedded");
    await use(page, "Embedded");
    await inUse(page, "Embedded");
    await page.shows("section[aria-labelledby=storage-spans]", /PostgreSQL.*InfluxDB|InfluxDB.*PostgreSQL/);
    const first = history.ok.results.at(-1).timeMs;
    await until("its history is there", async () => {
      const { ok } = await page.invoke("results", { id: board.rows[0].id, limit: 5000, after: null });
      return ok.results.length > 0 && ok.results.at(-1).timeMs <= first;
    });

    // What page and core said to each other, of all of it: secrets went in by what a person typed and pasted.
    const all = await traffic.all();
    const typed = ["check_storage", "look_at_storage", "use_storage"].map((command) => `request ${command}`);
    equal([sql.password, token, reader].map((secret) => carriers(all, secret)), [typed, typed, ["request take_apart"]], "what carried the secrets");
    const count = counted(all);
    assert(count.answer > 100 && count.event > 50 && count.channel > 20, `little was heard: ${JSON.stringify(count)}`);
    return `a look took ${tested} ms; of ${all.length} messages ${typed.length + 1} kinds carried a secret`;
  },

  "storage: a keychain that is absent and one that is locked": async (t) => {
    await watching(t);
    const keyring = await keychain(t);
    await keyring.stop();
    const locked = await t.server(keychain(t, { locked: true }));
    const servers = await t.server(StorageServers.open());
    const page = await t.open();
    await page.row("wiki", "up");
    await page.goTo("#/secrets");
    await page.shows("section[aria-labelledby=secrets-where]", /the system's keychain is locked.*unlock it/);
    await page.goTo("#/storage");
    await choose(page, "PostgreSQL");
    const sql = servers.postgres;
    await page.fill("Host", sql.host);
    await page.fill("Port", String(sql.port));
    await page.fill("Database", sql.database);
    await page.fill("Password", sql.password);
    await use(page, "PostgreSQL");
    await page.shows("dialog[open]", /The secret could not be kept.*is locked.*monitoring goes on/);
    assert(!t.fileText().includes("postgres"), t.fileText());
    await page.click("Cancel", DIALOG);

    await locked.stop();
    await page.goTo("#/secrets");
    await page.click("Discard changes", DIALOG);
    await page.click("Look again", "main button");
    await page.shows("section[aria-labelledby=secrets-where]", /the system's keychain is not there/);
  },

  "secrets: a keychain that is slow and one that refuses": async (t) => {
    const wiki = await watching(t);
    // The honest fallback: a file under a passphrase.
    t.env = { ...t.env, HALLMONITOR_VAULT_PASSPHRASE: "open sesame" };
    const keyring = await t.server(keychain(t));
    const page = await t.open();
    await page.row("wiki", "up");
    const { id } = (await page.invoke("board")).ok.rows[0];
    await page.goTo("#/secrets");
    await page.shows("section[aria-labelledby=secrets-where]", /the system's keychain works/);
    const told = [];
    const unwell = async (name, says) => {
      await page.click("Look again", "main button");
      await page.shows("section[aria-labelledby=secrets-where]", says, 30_000);
      const before = { checks: wiki.accepted, newest: await newest(page, id) };
      await page.click("Add a secret…", "main button");
      await page.fill("Name", name);
      await page.fill("Secret", "hunter2");
      const asked = Date.now();
      await page.click("Keep it", DIALOG);
      const why = await page.shows("dialog[open] [role=alert]", says, 30_000);
      assert(/restart it|allow Hall Monitor there/.test(why) && /--in file/.test(why), why);
      told.push(`${name} ${Date.now() - asked} ms`);
      // Monitoring went on meanwhile, and goes on: checks are made, and results are written.
      await until("checks go on", () => wiki.accepted > before.checks + 1);
      await until("results go on being written", async () => (await newest(page, id)) > before.newest + 1_000);
      assert(!(await page.invoke("secrets")).ok.some((secret) => secret.name === name), "it is kept although it was refused");
      await page.click("Keep it in the encrypted file", DIALOG);
      await page.toast(new RegExp(`“${name}” is kept in the encrypted file\\.`));
      await page.shows("section[aria-labelledby=secrets-list]", new RegExp(`${name}.*in the encrypted file`));
    };

    keyring.freeze();
    await unwell("slow-one", /did not answer within 5 s/);
    keyring.thaw();
    await until("it is well again", async () => {
      await page.click("Look again", "main button");
      return page.shows("section[aria-labelledby=secrets-where]", /the system's keychain works/, 3_000).then(() => true, () => false);
    }, { within: 30_000 });
    await keyring.stop();
    await t.server(ownKeychain(t, "refuses"));
    await unwell("refused-one", /refused: this application is not allowed here/);
    await page.row("wiki", "up").catch(() => undefined);
    await nowhere(t, page, "hunter2");
    return told.join(", ");
  },

  "secrets: a locked keychain is unlocked from the window, and what stands in the file is moved": async (t) => {
    const wiki = await t.server(httpServer());
    // The kernel's key ring is the machine's: no name of another run is taken for this one's.
    const name = `m${process.pid}`;
    t.configure(
      `# mine\n${configOf([[name, wiki.url]])}`.replace(wiki.url, `"${wiki.url}?token=canary-5" # its key\n          headers: {X-Api-Key: canary-6}`),
    );
    await t.withDesktop();
    await (await keychain(t)).stop();
    await t.server(keychain(t, { locked: true }));
    const page = await t.open();
    await page.row(name, "up");
    await page.goTo("#/secrets");
    const where = "section[aria-labelledby=secrets-where]";
    await page.shows(where, /the system's keychain is locked/);
    // Nothing on this bus can show the question.
    await page.click("Unlock…", "main button");
    await page.shows(where, /Nothing here can show the keychain's question/);
    await page.shows("section[aria-labelledby=secrets-plain]", /2 secrets stand readable.*token in an address.*monitor “m\d+”.*header X-Api-Key/);
    assert(!(await page.client.source()).includes("canary"), "the window has a secret");

    await t.server(prompter(t));
    const question = () => until("the desktop asks", () => t.display.windowsOf("gcr-prompter").length > 0);
    // Put away by the person.
    await page.click("Unlock…", "main button");
    await question();
    await until("it is put away", () => {
      t.display.press("Escape");
      return t.display.windowsOf("gcr-prompter").length === 0;
    });
    await page.shows(where, /The question was put away/);
    // Nobody waits any more. GNOME Keyring does not survive being told to put a question away: it stays, and counts.
    await page.click("Unlock…", "main button");
    await question();
    await page.click("Stop waiting", "main button");
    await page.shows(where, /Nobody waits for the answer any more/);

    // Moving asks for what is needed, and goes on by itself once it is unlocked.
    const before = t.fileText();
    await page.click("Move all into the keychain", "main button");
    await page.shows("dialog[open]", /The secret could not be kept.*is locked.*monitoring goes on/);
    equal(t.fileText(), before, "the file after a refusal");
    await page.click("Unlock…", "dialog[open] button");
    await question();
    const checks = wiki.accepted;
    await until("checks go on while it asks", () => wiki.accepted > checks + 1);
    t.display.type(LOGIN);
    t.display.press("Return");
    await page.toast(/2 secrets moved into the system's keychain\./);
    const after = t.fileText();
    assert(after.startsWith("# mine\n"), after);
    assert(after.includes(`?token=\${secret:${name}-token}" # its key`) && after.includes(`X-Api-Key: "\${secret:${name}-x-api-key}"`), after);
    assert(!after.includes("canary"), after);
    await page.shows("section[aria-labelledby=secrets-list]", /m\d+-token.*in the system's keychain · used by m\d+/);
    await until("the server still gets both", () => wiki.last?.url.endsWith("?token=canary-5") && wiki.last.headers["x-api-key"] === "canary-6");
    const seen = wiki.accepted;
    await until("and goes on to", () => wiki.accepted > seen + 1 && wiki.last.headers["x-api-key"] === "canary-6");
    for (const { id } of (await page.invoke("storage_overview")).ok.cards) {
      assert(!JSON.stringify((await page.invoke("storage_draft", { backend: id })).ok).includes("canary"), id);
    }
    assert(!t.logText().includes("canary"), "the log has a secret");
  },

  "secrets: the app goes on and ends while the keychain asks": async (t) => {
    const wiki = await watching(t);
    await t.server(ownKeychain(t, "asks", "never"));
    const page = await t.open();
    await page.row("wiki", "up");
    await page.goTo("#/secrets");
    await page.click("Unlock…", "main button");
    await page.shows("section[aria-labelledby=secrets-where]", /The keychain asks for its password on the screen/);
    // Another page, and back: the window that asked is gone, and so is the question.
    await page.goTo("#/overview");
    await page.row("wiki", "up");
    await until("the question is taken away", () => readFileSync(`${t.folder}/keyring.log`, "utf8").includes("taken away"));
    await page.goTo("#/secrets");
    await page.click("Unlock…", "main button");
    await page.shows("section[aria-labelledby=secrets-where]", /The keychain asks for its password on the screen/);
    const checks = wiki.accepted;
    await until("checks go on", () => wiki.accepted > checks + 1);
    await page.keepHeard();
    await t.desktop.press("Quit");
    await t.ended(8_000);
  },

  "storage: the file is changed by somebody else while the form is open": async (t) => {
    await watching(t);
    const page = await t.open();
    await page.row("wiki", "up");
    await page.goTo("#/storage");
    await choose(page, "No history");
    t.configure(`${t.fileText()}# theirs\n`);
    await use(page, "No history");
    await page.shows("dialog[open]", /The configuration file was changed meanwhile/);
    assert(!t.fileText().includes("backend"), "it was written all the same");
    await page.click("Put mine into it", DIALOG);
    await inUse(page, "No history");
    assert(t.fileText().includes("# theirs\n") && t.fileText().includes("backend: none"), t.fileText());
  },

  "storage: a backend that a program brought along has its card and its form, and keeps history": async (t) => {
    const program = process.env.HALLMONITOR_WITH_CUSTOM_STORE;
    assert(program, "HALLMONITOR_WITH_CUSTOM_STORE, the path of the built example with_custom_store, is missing");
    await watching(t);
    t.env = { ...t.env, E2E_APP: program };
    let page = await t.open();
    await page.row("wiki", "up");
    await page.goTo("#/storage");
    await page.shows("section.cards", /Embedded.*PostgreSQL.*InfluxDB.*JSON lines.*No history/);
    await choose(page, "JSON lines");
    await page.fill("Folder", t.config);
    await page.click("Test connection", FORM);
    await page.shows("main form .error", /Is a file; a folder is needed\./);
    const folder = join(t.folder, "lines");
    await page.fill("Folder", folder);
    await page.click("Test connection", FORM);
    await look(page, /Everything works\./);
    await use(page, "JSON lines");
    await inUse(page, "JSON lines");
    const results = () => readFileSync(join(folder, "rows.jsonl"), "utf8").split("\n").filter((line) => line.includes('"Result"')).length;
    await until("results are in the file", () => results() >= 2);
    await page.keepHeard();
    await t.desktop.press("Quit");
    await t.ended(8_000);
    await t.kill();
    page = await t.open();
    await inUse(page, "JSON lines");
    const before = results();
    await until("results go on after a restart", () => results() > before);
  },

  "storage: a file of certificates is chosen in the desktop's own dialog": async (t) => {
    await watching(t);
    const page = await t.open();
    await page.row("wiki", "up");
    await page.goTo("#/storage");
    await choose(page, "PostgreSQL");
    const file = join(t.folder, "office ca.pem");
    writeFileSync(file, "no certificate\n");
    await page.choose("Protection (TLS)", "verify-full");
    await chooseFile(t, page, file);
    // A change of mind changes nothing.
    await page.click("Choose the file", FORM);
    (await t.display.dialog(FILES)).press("Escape");
    await until("the dialog is gone", () => !t.display.hasDialog(FILES));
    equal(await page.value("CA file"), file, "the field after a change of mind");
    // What is in it is the core's to judge.
    await page.click("Test connection", FORM);
    await page.shows("main", /certificate/);
  },

  "storage: the window is closed while the desktop's dialog is open": async (t) => {
    const wiki = await watching(t);
    let page = await t.open();
    await page.row("wiki", "up");
    const file = join(t.folder, "office-ca.pem");
    writeFileSync(file, "no certificate\n");
    for (const time of ["first", "second"]) {
      await page.goTo("#/storage");
      await choose(page, "PostgreSQL");
      await page.choose("Protection (TLS)", "verify-full");
      await page.click("Choose the file", FORM);
      await t.display.dialog(FILES);
      await page.keepHeard();
      await t.display.closeWindow(t.pid);
      await page.clickAway("Discard changes", DIALOG);
      await until(`the window is gone, the ${time} time`, () => t.windows().length === 0 && t.webViews().length === 0);
      await until("the dialog went with it", () => !t.display.hasDialog(FILES));
      const checks = wiki.accepted;
      await until("checks go on", () => wiki.accepted > checks + 1);
      await t.desktop.press("Open Hall Monitor");
      page = await t.inNewWindow();
    }
    await page.goTo("#/storage");
    await choose(page, "PostgreSQL");
    await page.choose("Protection (TLS)", "verify-full");
    await chooseFile(t, page, file);
  },

  "storage: a desktop whose dialog does not come says so, and the path can be typed": async (t) => {
    await watching(t);
    // GTK leaves the dialog to a portal, and on this bus there is none.
    t.env = { ...t.env, GTK_USE_PORTAL: "1" };
    const page = await t.open();
    await page.row("wiki", "up");
    await page.goTo("#/storage");
    await choose(page, "PostgreSQL");
    await page.choose("Protection (TLS)", "verify-full");
    for (const time of ["first", "second"]) {
      await page.click("Choose the file", FORM);
      await page.toast(/No dialog to choose a file comes on this desktop.*Type the path instead/).catch((error) => Promise.reject(new Error(`the ${time} time: ${error.message}`)));
      await page.click("Close", ".toast button");
    }
    const file = join(t.folder, "typed.pem");
    writeFileSync(file, "no certificate\n");
    await page.fill("CA file", file);
    await page.click("Test connection", FORM);
    await page.shows("main", /certificate/);
  },
};
