// Servers on the loopback address that the app watches: each counts, and can go and come back on its port.
import http from "node:http";
import net from "node:net";

export class Server {
  #make;
  #server = null;
  #open = new Set();
  accepted = 0;
  port = 0;
  /** What was asked for last, of one for the web. */
  last = null;

  constructor(make) {
    this.#make = make;
  }

  /** Listens; after a stop again on the same port. */
  async start() {
    const server = this.#make();
    server.on("connection", (socket) => {
      this.accepted += 1;
      this.#open.add(socket);
      socket.on("close", () => this.#open.delete(socket));
      socket.on("error", () => socket.destroy());
    });
    await new Promise((done, failed) => server.once("error", failed).listen(this.port, "127.0.0.1", done));
    this.port = server.address().port;
    this.#server = server;
    return this;
  }

  async stop() {
    const server = this.#server;
    if (!server) return;
    this.#server = null;
    const closed = new Promise((done) => server.close(done));
    for (const socket of this.#open) socket.destroy();
    await closed;
  }

  get address() {
    return `127.0.0.1:${this.port}`;
  }

  get url() {
    return `http://${this.address}/`;
  }
}

/** Answers 200, after a time if one is given. */
export function httpServer(delay = () => 0) {
  const server = new Server(() => http.createServer((request, answer) => {
    server.last = { url: request.url, headers: request.headers };
    setTimeout(() => answer.end("fine\n"), delay());
  }));
  return server.start();
}

export const tcpServer = () => new Server(() => net.createServer((socket) => socket.end())).start();
