import { mount } from "svelte";
import App from "./App.svelte";
import type { Core } from "./lib/ipc/client";
import { guardNavigator } from "./lib/locale.svelte";
import "./styles/tokens.css";
import "./styles/base.css";

async function connect(): Promise<Core> {
  if ("__TAURI_INTERNALS__" in window) return (await import("./lib/ipc/tauri")).connect();
  // The world in memory is for work on the window and its tests; it is not in what ships.
  if (import.meta.env.DEV || import.meta.env.MODE === "browser") return (await import("./lib/ipc/fake")).connect();
  throw new Error("this is the window of the desktop app; it does not run in a browser");
}

guardNavigator();
const target = document.getElementById("app");
if (target) mount(App, { target, props: { core: connect() } });
