// What the system says about processes.
import { readFileSync, readdirSync } from "node:fs";

/** Name and parent; null where the process is gone or a zombie. */
export function statOf(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const name = text.slice(text.indexOf("(") + 1, text.lastIndexOf(")"));
    const [state, parent] = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return state === "Z" || state === "X" ? null : { pid: Number(pid), name, parent: Number(parent) };
  } catch {
    return null;
  }
}

/** A process and everything below it. */
export function tree(root) {
  const all = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(statOf).filter(Boolean);
  const found = all.filter((one) => one.pid === root);
  for (let at = 0; at < found.length; at += 1) found.push(...all.filter((one) => one.parent === found[at].pid));
  return found;
}

/** The kernel keeps 15 letters of a name. */
export function webViews(root) {
  return tree(root).filter((one) => one.name === "WebKitWebProces").map((one) => one.pid);
}

/** Proportional set size, in bytes. */
export function pss(pid) {
  const line = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8").match(/^Pss:\s+(\d+) kB/m);
  return Number(line[1]) * 1024;
}

export const isAlive = (pid) => statOf(pid) !== null;
