// A network of the test's own: the app in a namespace whose only way out can be pulled.
import { configOf } from "../config.mjs";
import { Island } from "../island.mjs";
import { assert, equal, pause } from "../wait.mjs";

export const cases = {
  "offline: nothing is down, no notice; online again it goes on": async (t) => {
    const island = await t.server(Island.open(t.folder));
    t.configure(configOf([["mail", `${island.address}:${island.port}`], ["door", `${island.address}:1`]]));
    await t.withDesktop();
    t.launchIn(island.enter(), "--hidden");
    // One answers and one refuses, so that both ways over the network are known to work.
    await t.desktop.trayTells(/^1 of 2 is down · door/);
    await t.desktop.notice(/^door is down$/);

    island.link("down");
    await t.desktop.trayTells(/offline/);
    const before = t.desktop.notices.length;
    await pause(8_000);
    equal(t.desktop.notices.length, before, "notices while offline");
    assert(/offline/.test((await t.desktop.tray()).tooltip.join(" ")), "the tray tells that it is offline");

    island.link("up");
    await t.desktop.trayTells(/^1 of 2 is down · door/);
    await pause(4_000);
    equal(t.desktop.notices.slice(before).map(({ title }) => title), [], "notices after a short time offline");

    island.stopServer();
    await t.desktop.notice(/^mail is down$/);
  },
};
