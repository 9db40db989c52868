// The page of a monitor, its form and the first run, as components on the fake core.
import axe from "axe-core";
import { cleanup, fireEvent, render, screen, waitFor, within } from "@testing-library/svelte";
import type { Component } from "svelte";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Core } from "../lib/ipc/client";
import { FakeCore } from "../lib/ipc/fake";
import { router } from "../lib/route.svelte";
import InApp from "../lib/testing/InApp.svelte";
import FirstRun from "./FirstRun.svelte";
import Monitor from "./Monitor.svelte";
import MonitorForm from "./MonitorForm.svelte";

function open<Own extends Record<string, unknown>>(core: Core, of: Component<Own>, own: Own): HTMLElement {
  const app = InApp as unknown as Component<{ core: Core; of: Component<Own>; own: Own }>;
  return render(app, { props: { core, of, own } }).container;
}

async function idOf(core: Core, name: string): Promise<string> {
  const row = (await core.board()).rows.find((each) => each.name === name);
  if (!row) throw new Error(`no ${name}`);
  return row.id;
}

/** Contrast and landmarks need a real window. */
async function faults(container: HTMLElement): Promise<string[]> {
  const rules = { "color-contrast": { enabled: false }, region: { enabled: false } };
  const { violations } = await axe.run(container, { rules });
  return violations.map((violation) => `${violation.id}: ${violation.nodes.map((node) => node.html).join(" ")}`);
}

const typeInto = (field: HTMLElement, value: string) => fireEvent.input(field, { target: { value } });

beforeEach(() => {
  // Charts ask for history when they know how wide they are; nothing is laid out here.
  vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(660);
  location.hash = "";
});

afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
});

describe("a monitor's page", () => {
  it("says what is wrong, shows figures and results, and a table where no chart can be drawn", async () => {
    const core = new FakeCore();
    const container = open(core, Monitor, { id: await idOf(core, "router") });
    expect((await screen.findByRole("heading", { level: 1 })).textContent).toMatch(/router.* has been down for .*no answer/);
    await waitFor(() => expect(screen.getAllByText(/% observed|observed$/).length).toBeGreaterThanOrEqual(5));
    await screen.findByText("The chart cannot be drawn here; this is the same as a table.");
    expect(within(screen.getByRole("table", { name: "Answer time" })).getAllByRole("row").length).toBeGreaterThan(100);
    expect(screen.getByText(/^From .* checks?, .* failed\./)).toBeTruthy();
    expect(await faults(container)).toEqual([]);
  });

  it("loads more results and shows all that is known of one", async () => {
    const core = new FakeCore();
    open(core, Monitor, { id: await idOf(core, "gitlab") });
    const more = await screen.findByRole("button", { name: "Load more" });
    const list = more.closest("section") as HTMLElement;
    const before = within(list).getAllByRole("listitem").length;
    await fireEvent.click(more);
    await waitFor(() => expect(within(list).getAllByRole("listitem").length).toBeGreaterThan(before));
    expect(within(list).getAllByText("Content type")[0]?.nextElementSibling?.textContent).toContain("text/html");
  });

  it("checks, pauses and resumes", async () => {
    const core = new FakeCore();
    const id = await idOf(core, "gitlab");
    const pause = vi.spyOn(core, "pause");
    open(core, Monitor, { id });
    await fireEvent.click(await screen.findByRole("button", { name: "Pause" }));
    await fireEvent.click(screen.getByRole("menuitem", { name: "Until resumed" }));
    expect(pause).toHaveBeenCalledWith([id], null);
    const actions = within(screen.getByRole("group", { name: "What to do with this monitor" }));
    await fireEvent.click(await actions.findByRole("button", { name: "Resume" }));
    await actions.findByRole("button", { name: "Pause" });
  });

  it("says that a backend keeps nothing, and what failed", async () => {
    const none = new FakeCore({ scenario: "none" });
    open(none, Monitor, { id: await idOf(none, "gitlab") });
    await screen.findByText("The storage in use keeps no history.");
    expect(screen.getByText("Content type").nextElementSibling?.textContent).toContain("text/html");
    cleanup();
    const broken = new FakeCore({ scenario: "broken" });
    open(broken, Monitor, { id: await idOf(broken, "gitlab") });
    await waitFor(() => expect(screen.getAllByText(/the database does not answer/).length).toBeGreaterThan(2));
  });

  it("says when a monitor is not there", async () => {
    open(new FakeCore(), Monitor, { id: "nobody" });
    await screen.findByText("This monitor is not there any more.");
  });
});

describe("the form", () => {
  it("is drawn from the fields of the kind, and takes along what kinds share", async () => {
    const core = new FakeCore();
    const container = open(core, MonitorForm, { id: null });
    await typeInto(await screen.findByLabelText("Name"), "printer");
    expect(screen.getByLabelText<HTMLInputElement>("Expected status").placeholder).toContain("200");
    await fireEvent.click(screen.getByRole("radio", { name: /Ping/ }));
    await screen.findByLabelText("Requests in a check");
    expect(screen.queryByLabelText("Expected status")).toBeNull();
    expect(screen.getByLabelText<HTMLInputElement>("Name").value).toBe("printer");
    expect(await faults(container)).toEqual([]);
  });

  it("says what is wrong at the field, and goes to the first", async () => {
    const core = new FakeCore();
    const container = open(core, MonitorForm, { id: null });
    const name = await screen.findByLabelText("Name");
    await fireEvent.click(screen.getByRole("button", { name: "Add monitor" }));
    await screen.findByText("2 fields need a look.");
    expect(name.getAttribute("aria-invalid")).toBe("true");
    const described = name.getAttribute("aria-describedby")?.split(" ").map((id) => container.querySelector(`#${id}`)?.textContent);
    expect(described?.[0]).toBe("Is required.");
    expect(document.activeElement).toBe(name);
    expect(await faults(container)).toEqual([]);
  });

  it("checks while somebody types, but only fields that were left", async () => {
    const core = new FakeCore();
    open(core, MonitorForm, { id: await idOf(core, "gitlab") });
    const status = await screen.findByLabelText("Expected status");
    await typeInto(status, "9999");
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(screen.queryByText(/whole number/)).toBeNull();
    await fireEvent.blur(status);
    await screen.findByText("Must be a whole number from 100 to 599.");
  });

  it("keeps references as they are written and saves what changed", async () => {
    const core = new FakeCore();
    const id = await idOf(core, "gitlab");
    const save = vi.spyOn(core, "saveDraft");
    open(core, MonitorForm, { id });
    await typeInto(await screen.findByLabelText("Address"), "https://${GIT_HOST}/");
    const headers = within(screen.getByRole("group", { name: /Headers/ }));
    await fireEvent.click(headers.getByRole("button", { name: "Add a line" }));
    await typeInto(await headers.findByLabelText("Name 1"), "X-Key");
    await typeInto(headers.getByLabelText("Value 1"), "${secret:GIT_KEY}");
    await fireEvent.click(screen.getByRole("button", { name: "Save" }));
    await screen.findByText(/was saved\.$/);
    expect(save.mock.calls[0]?.[0].values).toMatchObject({ url: "https://${GIT_HOST}/", headers: { "X-Key": "${secret:GIT_KEY}" } });
    expect(screen.getByRole("button", { name: "Undo" })).toBeTruthy();
    expect(location.hash).toBe(`#/monitor/${id}`);
  });

  it("does not save lines that would get lost in a map", async () => {
    const core = new FakeCore();
    const save = vi.spyOn(core, "saveDraft");
    open(core, MonitorForm, { id: await idOf(core, "gitlab") });
    await screen.findByLabelText("Address");
    const headers = within(screen.getByRole("group", { name: /Headers/ }));
    for (const line of [1, 2]) {
      await fireEvent.click(headers.getByRole("button", { name: "Add a line" }));
      await typeInto(await headers.findByLabelText(`Name ${line}`), "Accept");
    }
    await fireEvent.click(screen.getByRole("button", { name: "Save" }));
    await screen.findByText("One field needs a look.");
    expect(headers.getAllByText("“Accept” stands there twice.").length).toBe(3);
    expect(save).not.toHaveBeenCalled();
  });

  it("asks before changes are lost", async () => {
    const core = new FakeCore();
    const id = await idOf(core, "gitlab");
    location.hash = `#/monitor/${id}/edit`;
    router.start();
    open(core, MonitorForm, { id });
    await typeInto(await screen.findByLabelText("Name"), "other");
    location.hash = "#/incidents";
    await fireEvent.click(await screen.findByRole("button", { name: "Stay here", hidden: true }));
    expect(router.current).toEqual({ name: "edit", id });
  });

  it("shows both versions in a conflict, and puts mine on top", async () => {
    const core = new FakeCore({ conflict: true });
    open(core, MonitorForm, { id: await idOf(core, "gitlab") });
    await typeInto(await screen.findByLabelText("Interval"), "1m");
    await fireEvent.click(screen.getByRole("button", { name: "Save" }));
    await screen.findByText("The file as it is now");
    expect(screen.getByText(/interval: 5m/)).toBeTruthy();
    await fireEvent.click(screen.getByRole("button", { name: "Keep mine on top", hidden: true }));
    await screen.findByText(/was saved\.$/);
  });
});

describe("the first run", () => {
  it("watches what is ticked", async () => {
    const core = new FakeCore({ size: 0 });
    const watch = vi.spyOn(core, "watch");
    const container = open(core, FirstRun, {});
    await fireEvent.click(await screen.findByLabelText("nas.lan"));
    expect(await faults(container)).toEqual([]);
    await fireEvent.click(screen.getByRole("button", { name: "Watch these 5" }));
    await waitFor(() => expect(watch).toHaveBeenCalledWith(["0", "1", "2", "3", "4"]));
    await waitFor(() => expect(location.hash).toBe("#/overview"));
  });

  it("takes a file, by dialog or by drop, and says where it is wrong", async () => {
    const core = new FakeCore({ size: 0 });
    const container = open(core, FirstRun, {});
    await screen.findByLabelText("Internet");
    const picker = container.querySelector<HTMLInputElement>("input[type=file]") as HTMLInputElement;
    Object.defineProperty(picker, "files", { value: [new File(["nonsense"], "config.yml")] });
    await fireEvent.change(picker);
    await screen.findByText("config.yml has one problem; nothing was taken over.");
    expect(screen.getByText("line 1, column 1")).toBeTruthy();
    expect(await faults(container)).toEqual([]);

    const drop = Object.assign(new Event("drop", { cancelable: true }), {
      dataTransfer: { types: ["Files"], files: [new File(["monitors: []"], "good.yml")] },
    });
    window.dispatchEvent(drop);
    expect(drop.defaultPrevented).toBe(true);
    await screen.findByText("The file was taken over.");
  });
});
