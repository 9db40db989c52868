// The screens as a person uses them: by role and name, over the fake core. Colours are for the browser tests.
import { cleanup, fireEvent, render, screen, waitFor, within } from "@testing-library/svelte";
import axe from "axe-core";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import App from "../App.svelte";
import { FakeCore, type FakeOptions } from "../lib/ipc/fake";
import { view } from "./overview/view.svelte";

const NOW = Date.UTC(2026, 10, 26, 12, 0, 0);

beforeEach(() => {
  vi.spyOn(Date, "now").mockReturnValue(NOW);
  view.clear();
  view.selected.clear();
  view.focused = null;
});

afterEach(() => {
  cleanup();
  location.hash = "";
  vi.restoreAllMocks();
});

async function open(hash: string, options: Partial<FakeOptions> = {}): Promise<FakeCore> {
  location.hash = hash;
  const core = new FakeCore({ now: () => NOW, size: 5, preferences: { language: "en" }, ...options });
  render(App, { core: Promise.resolve(core) });
  await screen.findByRole("main");
  return core;
}

async function expectNoViolations(): Promise<void> {
  const rules = { "color-contrast": { enabled: false } };
  const { violations } = await axe.run(document.body, { rules });
  expect(violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html.slice(0, 200))])).toEqual([]);
}

test("the overview says what is wrong, filters and keeps its promises to the ear", async () => {
  await open("#/overview");
  await screen.findByRole("heading", { level: 1, name: /router is down\. 3 of 5 are up\./ });
  const grid = screen.getByRole("grid", { name: "Monitors" });
  expect(grid.getAttribute("aria-rowcount")).toBe("7");
  await fireEvent.click(screen.getByRole("button", { name: /^down\s*1/i }));
  await waitFor(() => expect(within(grid).getAllByRole("link").map((link) => link.textContent)).toEqual(["router"]));
  await expectNoViolations();
  await fireEvent.input(screen.getByRole("textbox", { name: "Filter the monitors" }), { target: { value: "nothing at all" } });
  await screen.findByText("No monitor fits the filter");
  await fireEvent.click(screen.getAllByRole("button", { name: "Clear filters" })[0] as HTMLElement);
  await waitFor(() => expect(within(grid).getAllByRole("link")).toHaveLength(5));
});

test("a selection is paused and resumed from its bar", async () => {
  const core = await open("#/overview", { scenario: "calm" });
  await fireEvent.click(await screen.findByRole("checkbox", { name: "Select router" }));
  const bar = screen.getByRole("toolbar", { name: "Selected monitors" });
  within(bar).getByText("1 selected");
  await fireEvent.click(within(bar).getByRole("button", { name: "Pause" }));
  await fireEvent.click(await screen.findByRole("menuitem", { name: "Pause for 8 hours" }));
  await screen.findByText("Paused for 8 h.");
  expect((await core.board()).rows[0]).toMatchObject({ state: "paused", pausedUntilMs: NOW + 8 * 3_600_000 });
  await fireEvent.click(screen.getByRole("button", { name: "Resume" }));
  await waitFor(async () => expect((await core.board()).rows[0]?.state).toBe("up"));
});

test("removing asks first and can be undone", async () => {
  const core = await open("#/overview");
  await fireEvent.click(await screen.findByRole("button", { name: "Actions for router" }));
  await fireEvent.click(await screen.findByRole("menuitem", { name: "Remove…" }));
  const question = await screen.findByRole("dialog", { name: "Remove “router”?" });
  await fireEvent.click(within(question).getByRole("button", { name: "Cancel" }));
  expect((await core.board()).rows).toHaveLength(5);
  await fireEvent.click(screen.getByRole("button", { name: "Actions for router" }));
  await fireEvent.click(await screen.findByRole("menuitem", { name: "Remove…" }));
  await fireEvent.click(within(await screen.findByRole("dialog")).getByRole("button", { name: "Remove" }));
  await screen.findByText("“router” was removed.");
  await fireEvent.click(screen.getByRole("button", { name: "Undo" }));
  await waitFor(async () => expect((await core.board()).rows).toHaveLength(5));
});

test("changes are announced together", async () => {
  const core = await open("#/overview", { scenario: "calm" });
  await screen.findByRole("heading", { name: /All 5 monitors are up/ });
  for (const row of (await core.board()).rows.slice(0, 3)) core.turn(row.id, "down");
  await screen.findByText("3 monitors went down.", {}, { timeout: 2000 });
  screen.getByRole("heading", { name: /3 monitors are down/ });
});

test("incidents: open ones on top, acknowledged with a note", async () => {
  await open("#/incidents", { size: 42 });
  const now = await screen.findByRole("region", { name: "Open now" });
  await expectNoViolations();
  await fireEvent.click(within(now).getByRole("button", { name: "Acknowledge…" }));
  await fireEvent.input(await screen.findByRole("textbox", { name: "Note" }), { target: { value: "power cut" } });
  await fireEvent.submit(screen.getByRole("textbox", { name: "Note" }).closest("form") as HTMLFormElement);
  await screen.findByText("power cut");
});

test.each([
  ["#/overview", "none", "Days are not kept by this backend"],
  ["#/overview", "broken", "History could not be read"],
  ["#/incidents", "none", "Incidents are not kept"],
  ["#/incidents", "broken", "Incidents could not be read"],
  ["#/overview", "faults", "the disk is full"],
  ["#/incidents", "offline", "This computer is offline since"],
] as const)("%s in the world “%s” says so", async (hash, scenario, words) => {
  await open(hash, { scenario });
  expect((await screen.findAllByText(new RegExp(words))).length).toBeGreaterThan(0);
  await expectNoViolations();
});

test("settings are in force at once and kept", async () => {
  const core = await open("#/settings");
  await fireEvent.click(await screen.findByRole("radio", { name: "Dark" }));
  expect(document.documentElement.dataset.theme).toBe("dark");
  await fireEvent.click(screen.getByRole("switch", { name: "Start at log-in" }));
  await waitFor(async () => expect(await core.preferences()).toMatchObject({ theme: "dark", startAtLogin: true }));
  await expectNoViolations();
  await fireEvent.change(screen.getByRole("combobox", { name: "Language" }), { target: { value: "de" } });
  await screen.findByRole("heading", { level: 1, name: "Einstellungen" });
  expect(document.documentElement.lang).toBe("de");
});

test("diagnostics are shown before they are copied", async () => {
  await open("#/settings");
  await fireEvent.click(await screen.findByRole("button", { name: "Show…" }));
  const dialog = await screen.findByRole("dialog", { name: "Diagnostics" });
  within(dialog).getByText(/"count": 5/);
  await expectNoViolations();
  const write = vi.fn().mockResolvedValue(undefined);
  vi.spyOn(navigator, "clipboard", "get").mockReturnValue({ writeText: write } as unknown as Clipboard);
  await fireEvent.click(within(dialog).getByRole("button", { name: "Copy" }));
  await waitFor(() => expect(write).toHaveBeenCalledOnce());
});

test("the palette finds a monitor and runs commands by keyboard", async () => {
  const core = await open("#/overview", { size: 42 });
  await fireEvent.keyDown(document.body, { key: "k", ctrlKey: true });
  const field = await screen.findByRole("combobox", { name: "Search monitors and commands" });
  await fireEvent.input(field, { target: { value: "pause all 8" } });
  await expectNoViolations();
  await fireEvent.keyDown(field, { key: "Enter" });
  await screen.findByRole("heading", { name: /Monitoring is paused/ });
  expect((await core.board()).summary.counts.paused).toBe(42);
});

test("closing is asked where it could mean two things", async () => {
  const core = await open("#/overview", { tray: false });
  const close = vi.spyOn(core, "close");
  core.askClose();
  const question = await screen.findByRole("dialog", { name: "Close the window" });
  await screen.findByText(/shows no tray icon/);
  await fireEvent.click(within(question).getByRole("button", { name: "Keep watching" }));
  expect(close).toHaveBeenCalledWith("tray", true);
});

test("closing the window asks as well where a form is not saved", async () => {
  const core = await open("#/new");
  const close = vi.spyOn(core, "closeWindow").mockResolvedValue();
  await fireEvent.input(await screen.findByRole("textbox", { name: "Name" }), { target: { value: "half" } });
  await vi.waitFor(() => {
    core.askClose();
    expect(screen.getByRole("dialog")).toBeTruthy();
  });
  await fireEvent.click(within(screen.getByRole("dialog")).getByRole("button", { name: "Stay here" }));
  expect(close).not.toHaveBeenCalled();
  core.askClose();
  await fireEvent.click(within(await screen.findByRole("dialog")).getByRole("button", { name: "Discard changes" }));
  await vi.waitFor(() => expect(close).toHaveBeenCalledOnce());
});
