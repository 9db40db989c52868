import { mount } from "svelte";
import App from "./App.svelte";
import type { Core } from "./lib/ipc/client";
import { guardNavigator } from "./lib/locale.svelte";
import "./styles/tokens.css";
import "./styles/base.css";

async function connect(): Promise<Core> {
  const inDesktop = "__TAURI_INTERNALS__" in window;
  const shell = inDesktop ? await import("./lib/ipc/tauri") : await import("./lib/ipc/fake");
  return shell.connect();
}

guardNavigator();
const target = document.getElementById("app");
if (target) mount(App, { target, props: { core: connect() } });
