// Storage and secrets as a person uses them: by role and name, over the fake core.
import { cleanup, fireEvent, render, screen, waitFor, within } from "@testing-library/svelte";
import axe from "axe-core";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import App from "../App.svelte";
import { changesOf, isShown, looksLikeAddress } from "../features/storage/form";
import { atStep, daysOf, STEPS, stepOf, writtenOf } from "../features/storage/retention";
import type { StorageCard, StorageField } from "../lib/ipc/bindings";
import { FakeCore, type FakeOptions } from "../lib/ipc/fake";

const NOW = Date.UTC(2026, 10, 26, 12, 0, 0);

beforeEach(() => {
  vi.spyOn(Date, "now").mockReturnValue(NOW);
});

afterEach(() => {
  cleanup();
  location.hash = "";
  vi.restoreAllMocks();
});

async function open(options: Partial<FakeOptions> = {}, hash = "#/storage"): Promise<FakeCore> {
  location.hash = hash;
  const core = new FakeCore({ now: () => NOW, size: 5, preferences: { language: "en" }, ...options });
  render(App, { core: Promise.resolve(core) });
  await screen.findByRole("main");
  return core;
}

async function choose(name: RegExp): Promise<void> {
  await fireEvent.click(await screen.findByRole("button", { name }));
}

async function expectNoViolations(): Promise<void> {
  const { violations } = await axe.run(document.body, { rules: { "color-contrast": { enabled: false } } });
  expect(violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html.slice(0, 200))])).toEqual([]);
}

test("a wrong password is told at its step with a remedy, and nothing is saved", async () => {
  const core = await open();
  await choose(/^PostgreSQL/);
  await fireEvent.input(await screen.findByLabelText("Password"), { target: { value: "wrong" } });
  await fireEvent.click(screen.getByRole("button", { name: "Test connection" }));
  const look = await screen.findByRole("region", { name: "Test" });
  await within(look).findByText("Does not work yet.");
  within(look).getByText(/password authentication failed/);
  within(look).getByText('ALTER ROLE "hallmonitor" PASSWORD \'…\';');
  within(look).getByRole("button", { name: "Copy the command" });
  expect(within(look).getAllByText(/, not tried/)).toHaveLength(2);
  expect(screen.getByRole("button", { name: "Use PostgreSQL…" })).toHaveProperty("disabled", true);
  expect((await core.storageOverview()).contact).toBe("embedded");
  await expectNoViolations();
});

test("the right one is used live, and its secret never comes back", async () => {
  const core = await open();
  await choose(/^PostgreSQL/);
  await fireEvent.input(await screen.findByLabelText("Host"), { target: { value: "db.lan" } });
  await fireEvent.input(screen.getByLabelText("Password"), { target: { value: "secret" } });
  await fireEvent.click(screen.getByRole("button", { name: "Test connection" }));
  await screen.findByText("Everything works.");
  await fireEvent.click(screen.getByRole("button", { name: "Use PostgreSQL…" }));
  const question = await screen.findByRole("dialog", { name: "Use PostgreSQL?" });
  within(question).getByText("Host: db.lan");
  within(question).getByText("Password: a new one, kept in the keychain");
  within(question).getByText("Older history stays in Embedded on this computer and is shown as before.");
  await expectNoViolations();
  await fireEvent.click(within(question).getByRole("button", { name: "Use PostgreSQL" }));
  await screen.findByText(/History goes to PostgreSQL from now on\. The secret is kept in the system's keychain\./);
  await screen.findByRole("button", { name: /^PostgreSQL.*in use/ });
  await screen.findByText(/set 0 s ago, in the system's keychain/);
  expect(document.body.innerHTML).not.toContain("secret\"");
  const earlier = await screen.findByRole("region", { name: "Earlier history" });
  within(earlier).getByText(/is shown/);
  expect((await core.board()).summary.storage.name.en).toBe("PostgreSQL");
  // And back: what lies elsewhere is read when somebody asks for it.
  await choose(/^Embedded/);
  await fireEvent.click(await screen.findByRole("button", { name: "Use Embedded…" }));
  await fireEvent.click(within(await screen.findByRole("dialog")).getByRole("button", { name: "Use Embedded" }));
  await fireEvent.click(await screen.findByRole("button", { name: "Show it too" }));
  await screen.findByText("Its history is shown too.");
  // Leaving does not ask: nothing is unsaved.
  location.hash = "#/settings";
  await screen.findByRole("heading", { level: 1, name: "Settings" });
});

test("errors stand at their fields, and a field appears with the one it depends on", async () => {
  await open();
  await choose(/^PostgreSQL/);
  const host = await screen.findByLabelText("Host");
  expect(screen.queryByLabelText(/^CA file/)).toBeNull();
  await fireEvent.change(screen.getByLabelText("Protection (TLS)"), { target: { value: "verify-full" } });
  const file = await screen.findByLabelText(/^CA file/);
  await fireEvent.input(file, { target: { value: "/etc/passwd" } });
  await fireEvent.input(host, { target: { value: "https://db.lan" } });
  await fireEvent.input(screen.getByLabelText("Port"), { target: { value: "0" } });
  await fireEvent.click(screen.getByRole("button", { name: "Test connection" }));
  await screen.findByText(/Must be a name or an address alone/);
  screen.getByText("This file holds no certificate (PEM).");
  expect(screen.getByLabelText("Port").getAttribute("aria-invalid")).toBe("true");
  await waitFor(() => expect(document.activeElement).toBe(host));
  await expectNoViolations();
});

test("a pasted address fills the fields, and its password is not shown", async () => {
  await open();
  await choose(/^PostgreSQL/);
  const host = await screen.findByLabelText("Host");
  const clipboardData = { getData: () => "postgres://me:secret@db.lan:5433/mine" };
  await fireEvent.paste(host, { clipboardData });
  await waitFor(() => expect(screen.getByLabelText("Host")).toHaveProperty("value", "db.lan"));
  expect(["Port", "Database", "User"].map((name) => (screen.getByLabelText(name) as HTMLInputElement).value)).toEqual(["5433", "mine", "me"]);
  screen.getByText("from the pasted address, not kept yet");
  await fireEvent.click(screen.getByRole("button", { name: "Test connection" }));
  await screen.findByText("Everything works.");
});

test("a look can be stopped", async () => {
  const core = await open();
  core.storage.stepMs = 20;
  await choose(/^InfluxDB/);
  await screen.findByLabelText("Bucket");
  await fireEvent.click(screen.getByRole("button", { name: "Test connection" }));
  await fireEvent.click(await screen.findByRole("button", { name: "Stop" }));
  await screen.findByText("The test was stopped.");
});

test("a locked keychain is told with a way out", async () => {
  const core = await open();
  core.storage.locked = true;
  await choose(/^PostgreSQL/);
  await fireEvent.input(await screen.findByLabelText("Password"), { target: { value: "secret" } });
  await fireEvent.click(screen.getByRole("button", { name: "Use PostgreSQL…" }));
  await fireEvent.click(within(await screen.findByRole("dialog")).getByRole("button", { name: "Use PostgreSQL" }));
  const told = await screen.findByRole("dialog", { name: "The secret could not be kept" });
  within(told).getByText(/is locked; unlock it/);
  expect((await core.storageOverview()).contact).toBe("embedded");
  await expectNoViolations();
  await fireEvent.click(within(told).getByRole("button", { name: "Keep it in the key ring of this session" }));
  await screen.findByText(/It is lost when this computer restarts\./);
});

test("a file that was changed meanwhile is not written over without asking", async () => {
  const core = await open({ conflict: true });
  await choose(/^No history/);
  await fireEvent.click(await screen.findByRole("button", { name: "Use No history…" }));
  await fireEvent.click(within(await screen.findByRole("dialog")).getByRole("button", { name: "Use No history" }));
  const question = await screen.findByRole("dialog", { name: "The configuration file was changed meanwhile" });
  expect((await core.storageOverview()).contact).toBe("embedded");
  await fireEvent.click(within(question).getByRole("button", { name: "Put mine into it" }));
  await waitFor(async () => expect((await core.storageOverview()).contact).toBe("none"));
});

test("leaving with changes asks, also for another card", async () => {
  await open();
  await choose(/^PostgreSQL/);
  await fireEvent.input(await screen.findByLabelText("Host"), { target: { value: "half" } });
  await choose(/^InfluxDB/);
  await fireEvent.click(within(await screen.findByRole("dialog")).getByRole("button", { name: "Stay here" }));
  expect(screen.getByLabelText("Host")).toHaveProperty("value", "half");
  location.hash = "#/overview";
  await fireEvent.click(within(await screen.findByRole("dialog")).getByRole("button", { name: "Discard changes" }));
  await screen.findByRole("grid");
});

test("what waits is told in words, and refused rows can be looked at, tried again and dropped", async () => {
  const core = await open({ scenario: "faults" });
  const health = await screen.findByRole("region", { name: "Embedded, in use" });
  await within(health).findByText("does not answer");
  within(health).getByText(/1,840 rows, oldest from/);
  await fireEvent.click(within(health).getByRole("button", { name: "Look…" }));
  const letters = await screen.findByRole("dialog", { name: "Rows that were refused for good" });
  await within(letters).findByText(/the row is older than what is kept/);
  await expectNoViolations();
  await fireEvent.click(within(letters).getByRole("button", { name: "Drop all…" }));
  within(letters).getByText("1 row is lost then.");
  await fireEvent.click(within(letters).getByRole("button", { name: "Drop for good" }));
  await waitFor(async () => expect((await core.deadLetters()).all).toBe(0));
});

test("retention: sliders and fields say the same, with the room it takes", async () => {
  const core = await open();
  const panel = await screen.findByRole("region", { name: "How long history is kept" });
  const slider = await within(panel).findByRole("slider", { name: "Time for “Every result”" });
  expect(slider.getAttribute("aria-valuetext")).toBe("30 days");
  await within(panel).findByText(/Will take about 155 MB with your 5 monitors\./);
  await fireEvent.click(within(panel).getByRole("button", { name: "Remove what is older now" }));
  await screen.findByText("1,440 rows were removed.");
  await fireEvent.input(slider, { target: { value: "3" } });
  const exact = within(panel).getByRole("textbox", { name: "Exactly: Every result" });
  expect(exact).toHaveProperty("value", "14d");
  await within(panel).findByText(/about 75 MB/);
  within(panel).getByText("What is older than that is lost for good.");
  await fireEvent.input(exact, { target: { value: "soon" } });
  await within(panel).findByText(/is no length of time/);
  expect(within(panel).getByRole("button", { name: "Save" })).toHaveProperty("disabled", true);
  await expectNoViolations();
  await fireEvent.input(exact, { target: { value: "45d" } });
  await waitFor(() => expect(within(panel).getByRole("button", { name: "Save" })).toHaveProperty("disabled", false));
  await fireEvent.click(within(panel).getByRole("button", { name: "Save" }));
  await waitFor(async () => expect((await core.retention()).tiers[0]?.written).toBe("45d"));
});

test("secrets: what is kept where and by whom, set, changed, forgotten", async () => {
  const core = await open({}, "#/secrets");
  const section = await screen.findByRole("region", { name: "Secrets" });
  await within(section).findByText("wiki-token");
  within(section).getByText(/set 92 d ago, in the system's keychain · used by wiki/);
  within(section).getByText(/is named in the configuration, and not set · used by office-vpn/);
  await screen.findByText("new secrets go here");
  await expectNoViolations();
  await fireEvent.click(within(section).getByRole("button", { name: "Set vpn-password" }));
  const dialog = await screen.findByRole("dialog", { name: "Set “vpn-password”" });
  await fireEvent.input(within(dialog).getByLabelText("Secret"), { target: { value: "hunter2" } });
  await expectNoViolations();
  await fireEvent.submit(within(dialog).getByLabelText("Secret").closest("form") as HTMLFormElement);
  await screen.findByText("“vpn-password” is kept in the system's keychain.");
  expect(document.body.innerHTML).not.toContain("hunter2");
  await fireEvent.click(await within(section).findByRole("button", { name: "Forget wiki-token" }));
  await fireEvent.click(within(await screen.findByRole("dialog")).getByRole("button", { name: "Forget" }));
  await waitFor(async () => expect((await core.secrets()).some((secret) => secret.name === "wiki-token")).toBe(false));
});

test("a locked keychain says what to do, and another place can be chosen", async () => {
  const core = await open({}, "#/secrets");
  core.storage.locked = true;
  await fireEvent.click(await screen.findByRole("button", { name: "Look again" }));
  await screen.findByText("is locked");
  screen.getByText(/unlock it \(sign in to the desktop/);
  await fireEvent.click(screen.getByRole("button", { name: "Add a secret…" }));
  const dialog = await screen.findByRole("dialog", { name: "Add a secret" });
  await fireEvent.input(within(dialog).getByLabelText("Name"), { target: { value: "mine" } });
  await fireEvent.input(within(dialog).getByLabelText("Secret"), { target: { value: "hunter2" } });
  await fireEvent.submit(within(dialog).getByLabelText("Secret").closest("form") as HTMLFormElement);
  await within(dialog).findByRole("alert");
  await fireEvent.click(within(dialog).getByRole("button", { name: "Keep it in the key ring of this session" }));
  await screen.findByText(/It is lost when this computer restarts\./);
});

test("what stands readable in the file is told by its place, and moved alone or all at once", async () => {
  const core = await open({ scenario: "faults" }, "#/secrets");
  const panel = await screen.findByRole("region", { name: "5 secrets stand readable in the configuration file" });
  within(panel).getByText("header Authorization");
  within(panel).getByText(/monitor “wiki”, line 31 · used in 2 more places/);
  within(panel).getByText("key in an address");
  within(panel).getByText(/A part of it comes from elsewhere/);
  // What only a person can move has no button.
  expect(within(panel).getAllByRole("button", { name: /^Move:/ })).toHaveLength(4);
  await expectNoViolations();
  await fireEvent.click(within(panel).getByRole("button", { name: "Move: header Authorization, monitor “wiki”" }));
  await screen.findByText("1 secret moved into the system's keychain. The file only names it now.");
  const rest = await screen.findByRole("region", { name: "4 secrets stand readable in the configuration file" });
  core.storage.locked = true;
  await fireEvent.click(within(rest).getByRole("button", { name: "Move all into the keychain" }));
  const dialog = await screen.findByRole("dialog", { name: "The secret could not be kept" });
  await expectNoViolations();
  await fireEvent.click(within(dialog).getByRole("button", { name: "Unlock…" }));
  await within(dialog).findByText("The keychain asks for its password on the screen.");
  // Once it is open, what was wanted is done.
  core.storage.answerUnlock({ outcome: "unlocked" });
  await screen.findByText(/3 secrets moved into the system's keychain/);
  const left = await screen.findByRole("region", { name: "1 secret stands readable in the configuration file" });
  expect(within(left).queryByRole("button")).toBeNull();
});

test("a file that somebody changed is read again before anything is moved", async () => {
  const core = await open({ scenario: "faults" }, "#/secrets");
  const panel = await screen.findByRole("region", { name: /^5 secrets/ });
  core.storage.movePlainSecrets([0], core.storage.plainSecrets().base, null);
  await fireEvent.click(within(panel).getByRole("button", { name: "Move all into the keychain" }));
  await screen.findByText(/was changed meanwhile\. Nothing was moved/);
  await screen.findByRole("region", { name: /^4 secrets/ });
});

test.each([
  ["dismissed", { outcome: "dismissed" }, /The question was put away/],
  ["not shown", { outcome: "noPrompter" }, /Nothing here can show the keychain's question/],
  ["late", { outcome: "late", seconds: 120 }, /Nobody answered within 120 seconds/],
  ["failed", { outcome: "failed", state: "slow", what: "it did not answer within 5 s" }, /did not answer within 5 s/],
] as const)("a question to unlock that is %s is told, and can be asked again", async (_, outcome, words) => {
  const core = await open({}, "#/secrets");
  core.storage.locked = true;
  await fireEvent.click(await screen.findByRole("button", { name: "Look again" }));
  await fireEvent.click(await screen.findByRole("button", { name: "Unlock…" }));
  await screen.findByRole("button", { name: "Stop waiting" });
  core.storage.answerUnlock(outcome);
  await screen.findByText(words);
  await fireEvent.click(screen.getByRole("button", { name: "Unlock…" }));
  await fireEvent.click(await screen.findByRole("button", { name: "Stop waiting" }));
  await screen.findByText(/Nobody waits for the answer any more/);
  await fireEvent.click(screen.getByRole("button", { name: "Unlock…" }));
  core.storage.answerUnlock({ outcome: "unlocked" });
  await screen.findByText("new secrets go here");
  expect(screen.queryByRole("button", { name: "Unlock…" })).toBeNull();
});

test("ten thousand secrets come by the page and are found by name and user", async () => {
  const add = vi.spyOn(FakeCore.prototype, "secrets");
  add.mockImplementation(function (this: FakeCore) {
    this.storage.addSecrets(10_000);
    return Promise.resolve(this.storage.secrets());
  });
  await open({}, "#/secrets");
  const section = await screen.findByRole("region", { name: "Secrets" });
  await within(section).findByText("10,002 secrets");
  expect(within(section).getAllByRole("listitem")).toHaveLength(100);
  await fireEvent.click(within(section).getByRole("button", { name: "Show 100 more" }));
  expect(within(section).getAllByRole("listitem")).toHaveLength(200);
  const find = within(section).getByRole("searchbox", { name: "Find a secret or who uses it" });
  await fireEvent.input(find, { target: { value: "OFFICE-vpn" } });
  await within(section).findByText("1 secret");
  within(section).getByText("vpn-password");
  await fireEvent.input(find, { target: { value: "nobody" } });
  await within(section).findByText(/No secret is called so/);
});

test("in German every word is there", async () => {
  await open({ preferences: { language: "de" } });
  await screen.findByRole("heading", { level: 1, name: "Wo der Verlauf aufbewahrt wird" });
  await choose(/^PostgreSQL/);
  await screen.findByLabelText("Rechner");
  screen.getByText("Verbindungen und Wartezeiten");
});

test("a backend that nobody knows has a card and a form of its own", async () => {
  const core = await open();
  const bare: StorageField = {
    spec: { key: "filePath", kind: { type: "text" }, required: true, default: null, doc: "Where the lines are." },
    label: null, hint: null, part: "connection", shownWith: null, isCertificates: false,
  };
  const real = await core.storageOverview();
  const card: StorageCard = {
    id: "json-lines", name: { en: "JSON lines", de: "JSON-Zeilen" }, about: { en: "A file.", de: "Eine Datei." }, icon: "M2 2h12v12H2Z",
    keepsHistory: true, isShared: false, fields: [bare], inUse: false, isSetUp: false, spans: [],
  };
  cleanup();
  vi.spyOn(FakeCore.prototype, "storageOverview").mockResolvedValue({ ...real, cards: [...real.cards, card] });
  vi.spyOn(FakeCore.prototype, "storageDraft").mockResolvedValue({ backend: "json-lines", values: {}, secrets: {}, base: "1" });
  await open();
  await choose(/^JSON lines/);
  await screen.findByLabelText("File path");
  screen.getByText("Where the lines are.");
  screen.getByRole("button", { name: "Use JSON lines…" });
});

test("what is one's own of a store that others share is told apart", async () => {
  const core = new FakeCore({ now: () => NOW, size: 5 });
  const state = { ...(await core.storageState()), isShared: true, ownBytes: 340_000_000 };
  const asked = vi.spyOn(FakeCore.prototype, "storageState").mockResolvedValue(state);
  await open();
  expect(await screen.findAllByText(/^yours: 340 MB of 1\.2 GB ·/)).toHaveLength(2);
  await screen.findByText(/only the share of this one counts, and only its own results go/);
  cleanup();
  asked.mockResolvedValue({ ...state, ownBytes: null });
  await open();
  await screen.findByText(/only the share of this one counts/);
  expect(await screen.findAllByText(/^1\.2 GB ·/)).toHaveLength(2);
  cleanup();
  asked.mockResolvedValue({ ...state, isShared: false, ownBytes: null });
  await open();
  expect(await screen.findAllByText(/^1\.2 GB ·/)).toHaveLength(2);
  await screen.findByText(/whole days, never the last 24 hours/);
  expect(screen.queryByText(/only the share of this one counts/)).toBeNull();
});

test("what is sent, and what changed", () => {
  const field = (key: string, shownWith: StorageField["shownWith"] = null): StorageField => ({
    spec: { key, kind: { type: "text" }, required: false, default: key === "a" ? "x" : null, doc: "" }, label: null, hint: null,
    part: "connection", shownWith, isCertificates: false,
  });
  const card = { fields: [field("a"), field("b", { key: "a", oneOf: ["x"], begins: "" }), field("c", { key: "a", oneOf: [], begins: "HTTPS:" })] } as StorageCard;
  const [, b, c] = card.fields as [StorageField, StorageField, StorageField];
  expect([isShown(card, b, {}), isShown(card, b, { a: "y" }), isShown(card, c, { a: "https://z" }), isShown(card, c, {})]).toEqual([true, false, true, false]);
  const draft = { backend: "z", values: { b: "1" }, secrets: {}, base: "1" };
  expect(changesOf(card, draft, { a: "y", b: "1" }, {}).map((change) => change.field.spec.key)).toEqual(["a", "b"]);
  expect(["postgres://x", " jdbc:postgresql://h", "http://h", "localhost", "a:b", "C:\\x"].map(looksLikeAddress)).toEqual([true, true, true, false, false, false]);
});

test("a slider knows the usual times", () => {
  expect(STEPS.map((_, at) => stepOf(atStep(at)))).toEqual(STEPS.map((_, at) => at));
  expect([stepOf(31), stepOf(100_000), daysOf("forever"), daysOf("9d"), daysOf("48h"), daysOf("x"), writtenOf(null), writtenOf(3)]).toEqual([4, 10, null, 9, 2, 1, "forever", "3d"]);
});
