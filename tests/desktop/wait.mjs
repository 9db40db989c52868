// Waiting for conditions. Nothing in these tests sleeps for a fixed time.
export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** Asks until the answer is truthy, and gives it. An answer that throws counts as no; the last fault is told. */
export async function until(what, check, { within = 20_000, every = 80 } = {}) {
  const end = Date.now() + within;
  let fault = null;
  let last;
  for (;;) {
    try {
      fault = null;
      last = await check();
      if (last) return last;
    } catch (error) {
      if (error.fatal) throw error;
      fault = error;
    }
    if (Date.now() > end) {
      const seen = fault ? `: ${fault.message}` : last === undefined ? "" : ` (last: ${JSON.stringify(last)})`;
      throw new Error(`not within ${within / 1000} s: ${what}${seen}`);
    }
    await pause(every);
  }
}

export function assert(condition, what) {
  if (!condition) throw new Error(what);
}

export function equal(is, wanted, what) {
  const [left, right] = [JSON.stringify(is), JSON.stringify(wanted)];
  if (left !== right) throw new Error(`${what}: ${left}, not ${right}`);
}
