import { mount } from "svelte";
import App from "./App.svelte";
import type { Core } from "./lib/ipc/client";
import { guardNavigator } from "./lib/locale.svelte";
import "./styles/tokens.css";
import "./styles/base.css";

async function connect(): Promise<Core> {
  const inDesktop = "__TAURI_INTERNALS__" in window;
  const module = inDesktop ? await import("./lib/ipc/tauri") : await import("./lib/ipc/fake");
  return module.connect();
}

guardNavigator();
const target = document.getElementById("app");
if (target) mount(App, { target, props: { connect } });
