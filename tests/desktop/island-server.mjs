// The far end of the cable: accepts on a port and says nothing, until a SIGUSR2; the network stays.
import { writeFileSync } from "node:fs";
import net from "node:net";

const folder = process.argv[2];
const server = net.createServer((socket) => socket.on("error", () => {}).end());
server.listen(8025, "0.0.0.0", () => writeFileSync(`${folder}/far`, ""));
process.on("SIGUSR2", () => server.close());
setInterval(() => {}, 60_000);
