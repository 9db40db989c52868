// Configurations of the tests: short intervals, servers on the loopback address.

/** One group of monitors: `[name, url or host:port]`. */
export function configOf(monitors, { interval = "1s", failures = 2 } = {}) {
  const each = monitors.map(([name, target]) => {
    const what = target.startsWith("http") ? `type: http\n          url: ${target}` : `type: tcp\n          target: ${target}`;
    return `        - name: ${name}\n          ${what}\n`;
  });
  return `monitoring:
  defaultInterval: ${interval}
  defaultTimeout: 900ms
  defaultFailureThreshold: ${failures}
  groups:
    - name: lab
      monitors:
${each.join("")}`;
}
