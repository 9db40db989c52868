// Where a secret must not be.
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { tree } from "./process.mjs";
import { assert } from "./wait.mjs";

/** Every file below a folder. */
function filesBelow(folder) {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    const stat = statSync(path, { throwIfNoEntry: false });
    return !stat ? [] : stat.isDirectory() ? filesBelow(path) : stat.isFile() ? [path] : [];
  });
}

/** Nobody finds a secret in files, logs, arguments or the page. */
export async function nowhere(t, page, secret) {
  for (const file of filesBelow(t.folder)) {
    // The keychain's own file is where it belongs, encrypted.
    if (readFileSync(file).includes(secret)) throw new Error(`the secret stands in ${file}`);
  }
  for (const { pid } of tree(t.pid)) {
    const said = ["cmdline", "environ"].map((name) => readFileSync(`/proc/${pid}/${name}`, "latin1")).join("");
    assert(!said.includes(secret), `the secret stands in the arguments or variables of ${pid}`);
  }
  assert(!(await page.client.source()).includes(secret), "the secret stands in the page");
  for (const command of ["storage_overview", "storage_state", "secrets", "vault_places", "plain_secrets", "diagnostics", "about", "board", "retention"]) {
    const { ok } = await page.invoke(command);
    assert(!JSON.stringify(ok).includes(secret), `${command} gives the secret`);
  }
  for (const { id } of (await page.invoke("storage_overview")).ok.cards) {
    assert(!JSON.stringify((await page.invoke("storage_draft", { backend: id })).ok).includes(secret), `the draft of ${id} has the secret`);
  }
}
