// A session bus of our own, which ends with us and takes along what it started.
import { writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { start } from "./programs.mjs";
import { until } from "./wait.mjs";

const configOf = (socket, services) => `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=${socket}</listen>
  ${services ? "<standard_session_servicedirs/>" : ""}
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
`;

function canConnect(path) {
  return new Promise((done) => {
    const socket = net.connect(path, () => done(true));
    socket.on("error", () => done(false));
    socket.on("connect", () => socket.destroy());
  });
}

/** Starts a bus in a folder; `services`: whether the machine's own services may be started on it. */
export async function openBus(folder, { env, log, services = false }) {
  const socket = join(folder, "bus");
  const config = join(folder, "bus.conf");
  writeFileSync(config, configOf(socket, services));
  const child = start("dbus-daemon", [`--config-file=${config}`, "--nofork", "--nopidfile"], { env, log });
  await until("the session bus answers", () => canConnect(socket));
  return { child, address: `unix:path=${socket}` };
}
