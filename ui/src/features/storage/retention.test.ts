// How long history is kept, as a person sets it: over the fake core, by role and name.
import { cleanup, fireEvent, render, screen, waitFor, within } from "@testing-library/svelte";
import { afterEach, expect, test } from "vitest";
import App from "../../App.svelte";
import { FakeCore, type FakeOptions } from "../../lib/ipc/fake";

afterEach(() => {
  cleanup();
  location.hash = "";
});

async function open(own: number, options: Partial<FakeOptions> = {}): Promise<FakeCore> {
  location.hash = "#/storage";
  const core = new FakeCore({ size: 300, preferences: { language: "en" }, ...options });
  const { rows } = await core.board();
  core.storage.haveOwn(rows.slice(0, own).map(({ id, name }) => ({ id, name, values: { raw: "90d" } })));
  render(App, { core: Promise.resolve(core) });
  await screen.findByRole("heading", { name: "How long history is kept" });
  return core;
}

test("three hundred monitors with times of their own are a list that can be searched", async () => {
  const core = await open(300);
  const name = (await core.board()).rows[7]?.name ?? "";
  const list = await screen.findByRole("list", { name: "Monitors with times of their own" });
  expect(within(list).getAllByRole("listitem")).toHaveLength(100);
  screen.getByText("and 200 more: type a part of the name");
  await fireEvent.input(screen.getByRole("textbox", { name: "Search these monitors" }), { target: { value: name } });
  await waitFor(() => expect(within(list).getAllByRole("listitem").length).toBeLessThan(20));
  await fireEvent.click(screen.getByRole("button", { name: `Change the times of ${name}` }));
  const field = await screen.findByRole("textbox", { name: `Hour figures of ${name}` });
  expect(field.getAttribute("placeholder")).toBe("as for all: 730 days");
  await fireEvent.input(field, { target: { value: "forever" } });
  await waitFor(() => expect(screen.getByText("Every result: 90 days and Hour figures: for ever")).toBeTruthy());
  await fireEvent.click(screen.getByRole("button", { name: "Save" }));
  await screen.findByText("Saved. What is older goes within the hour.");
  const saved = (await core.retention()).own.find((one) => one.name === name);
  expect(saved?.values).toEqual({ raw: "90d", hour: "forever" });
});

test("what another wrote meanwhile is never overwritten", async () => {
  const core = await open(1);
  const name = (await core.board()).rows[0]?.name ?? "";
  core.storage.conflict = true;
  await fireEvent.click(await screen.findByRole("button", { name: `${name}: as all others` }));
  await fireEvent.click(screen.getByRole("button", { name: "Save" }));
  await screen.findByText(/changed/);
  expect((await core.retention()).own).toHaveLength(1);
});

test("a store that frees no room soon says so instead of offering a limit", async () => {
  const core = await open(0);
  await screen.findByRole("textbox", { name: "Room at most" });
  cleanup();
  core.storage.inUse = "influxdb";
  render(App, { core: Promise.resolve(core) });
  await screen.findByText(/does not give room back soon/);
  expect(screen.queryByRole("textbox", { name: "Room at most" })).toBeNull();
});

test("health says what takes the room and when house was kept", async () => {
  await open(0);
  await screen.findByText("What takes the room");
  const parts = screen.getByRole("list", { name: "What takes the room" });
  const said = within(parts).getAllByRole("listitem").map((part) => part.textContent);
  expect([said.length, said[1]]).toEqual([5, expect.stringMatching(/^5-minute figures214\sMB17\s?%$/)]);
  screen.getByText(/^1[12]\smin ago, took 412\sms · 1,440 rows removed$/);
});
