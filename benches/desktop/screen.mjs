// What is on the display, read pixel by pixel over the X protocol: the same eye for every program.
import net from "node:net";

const SETUP = Buffer.from([0x6c, 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
const GET_IMAGE = 73;
const Z_PIXMAP = 2;
/** Between looks, in milliseconds. */
const EVERY = 4;

export const now = () => performance.timeOrigin + performance.now();
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

export class Eye {
  #socket;
  #root = 0;
  #bytes = Buffer.alloc(0);
  #more = () => {};

  /** Looks at a display of this machine, `:7` for one. */
  static async open(display) {
    const eye = new Eye();
    eye.#socket = net.connect(`/tmp/.X11-unix/X${display.slice(1)}`);
    eye.#socket.on("data", (data) => {
      eye.#bytes = Buffer.concat([eye.#bytes, data]);
      eye.#more();
    });
    eye.#socket.write(SETUP);
    const head = await eye.#take(8);
    if (head[0] !== 1) throw new Error("the display refuses connections");
    const body = await eye.#take(head.readUInt16LE(6) * 4);
    const vendor = body.readUInt16LE(16);
    const formats = body[21];
    eye.#root = body.readUInt32LE(32 + Math.ceil(vendor / 4) * 4 + formats * 8);
    return eye;
  }

  close() {
    this.#socket.destroy();
  }

  async #take(count) {
    while (this.#bytes.length < count) await new Promise((done) => (this.#more = done));
    const taken = this.#bytes.subarray(0, count);
    this.#bytes = this.#bytes.subarray(count);
    return taken;
  }

  /** The pixels of a part of the display, four bytes each. */
  async look({ x, y, width, height }) {
    const ask = Buffer.alloc(20);
    ask[0] = GET_IMAGE;
    ask[1] = Z_PIXMAP;
    ask.writeUInt16LE(5, 2);
    ask.writeUInt32LE(this.#root, 4);
    ask.writeInt16LE(x, 8);
    ask.writeInt16LE(y, 10);
    ask.writeUInt16LE(width, 12);
    ask.writeUInt16LE(height, 14);
    ask.writeUInt32LE(0xffffffff, 16);
    this.#socket.write(ask);
    let head = await this.#take(32);
    // Every client hears that keys were pressed by a program.
    while (head[0] > 1) head = await this.#take(32);
    if (head[0] === 0) throw new Error(`the display refuses a look: error ${head[1]}`);
    return Buffer.from(await this.#take(head.readUInt32LE(4) * 4));
  }

  /** Watches a part for a time; every picture that differs from the one before, and when it was seen. */
  async watch(part, ms) {
    const seen = [];
    const end = now() + ms;
    while (now() < end) {
      const pixels = await this.look(part);
      if (seen.length === 0 || !seen.at(-1).pixels.equals(pixels)) seen.push({ at: now(), pixels });
      await pause(EVERY);
    }
    return seen;
  }
}

/** When a watched part first looked as it does in the end: nine tenths of all that is not background. */
export function painted(seen) {
  const last = words(seen.at(-1).pixels);
  const background = commonest(last);
  const ink = [...last.keys()].filter((at) => last[at] !== background);
  if (ink.length < 200) throw new Error(`nothing was painted there: ${ink.length} pixels`);
  const looksSo = ({ pixels }) => {
    const these = words(pixels);
    return ink.filter((at) => these[at] === last[at]).length >= 0.9 * ink.length;
  };
  return seen.find(looksSo).at;
}

const words = (pixels) => new Uint32Array(pixels.buffer, pixels.byteOffset, pixels.length / 4);

function commonest(values) {
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].reduce((best, one) => (one[1] > best[1] ? one : best))[0];
}
