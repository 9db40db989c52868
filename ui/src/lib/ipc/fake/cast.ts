// Who plays in the fake world: a small office with one router down, or thousands of hosts.
import type { Failure } from "../bindings";
import { at, sequence } from "./random";
import { DAY, HOUR, MINUTE, SECOND, type Actor, type Gap, type Span, type World } from "./world";

/** What the world looks like at the start. */
export type Scenario =
  | "usual" | "calm" | "degraded" | "several" | "offline" | "asleep" | "paused" | "pending" | "faults" | "none" | "broken";

type Part = [name: string, kind: string, target: string, ms: number];

const OFFICE: [group: string, parts: Part[]][] = [
  ["Network", [
    ["router", "ping", "192.168.1.1", 3.1],
    ["fibre-uplink", "ping", "uplink.isp.example", 24],
    ["switch-core", "ping", "192.168.1.2", 0.4],
    ["resolver", "dns", "192.168.1.1 · nas.lan A", 2.1],
    ["access-point-1", "ping", "192.168.1.11", 1.2],
    ["access-point-2", "ping", "192.168.1.12", 1.4],
  ]],
  ["Services", [
    ["gitlab", "http", "https://git.example.com/users/sign_in", 41],
    ["nas", "http", "http://nas.lan:5001/", 18],
    ["mail", "tcp", "mail.example.com:993", 27],
    ["office-vpn", "tcp", "10.20.0.1:443", 33],
    ["staging", "http", "https://staging.example.com/", 80],
    ["wiki", "http", "https://wiki.example.com/", 63],
    ["calendar", "http", "https://dav.example.com/", 52],
    ["smtp", "tcp", "mail.example.com:465", 29],
    ["postgres", "tcp", "db.home.lan:5432", 0.9],
    ["registry", "http", "https://registry.example.com/v2/", 71],
    ["ci", "http", "https://ci.example.com/healthz", 47],
    ["backup", "tcp", "backup.home.lan:8022", 4.2],
  ]],
  ["Internet", [
    ["one-one-one-one", "tcp", "one.one.one.one:443", 9],
    ["quad9", "dns", "9.9.9.9 · example.com A", 12],
    ["example", "http", "https://example.com/", 96],
  ]],
];

const FAILURES: [Failure, string][] = [
  ["timeout", "no answer within 10 s"],
  ["connect", "connection refused"],
  ["dns", "name not found"],
  ["tls", "certificate has expired"],
  ["assertion", "status 503, expected 200"],
];

const HOSTILE = [
  "x".repeat(512),
  "<img src=x onerror=alert(1)>",
  "\u202eبوابة الشبكة الرئيسية في المكتب",
  "שרת הדואר הראשי של המשרד",
  "a very long name with many words that goes on and on until it no longer fits into any column of any table",
  "   ",
  "emoji 🛰️🖥️ and\ttabs\nand lines",
];

function uuid(seed: number, index: number): string {
  const part = (salt: number, digits: number) =>
    Math.floor(at(seed, index, salt) * 16 ** digits).toString(16).padStart(digits, "0");
  return `${part(1, 8)}-${part(2, 4)}-5${part(3, 3)}-9${part(4, 3)}-${part(5, 6)}${part(6, 6)}`;
}

function failureOf(kind: string, chance: number): [Failure, string] {
  if (kind === "ping") return ["timeout", "no answer to ping"];
  return FAILURES[Math.floor(chance * FAILURES.length)] ?? ["timeout", "no answer"];
}

/** Trouble of the past: short outages now and then, never within the last hours. */
function past(random: () => number, kind: string, nowMs: number): Span[] {
  const spans: Span[] = [];
  let fromMs = nowMs - 365 * DAY * random();
  while (spans.length < 9) {
    fromMs += (4 + random() * 130) * DAY;
    if (fromMs > nowMs - 5 * HOUR) break;
    const down = random() < 0.55;
    const length = down ? (1 + random() * random() * 90) * MINUTE : (5 + random() * 180) * MINUTE;
    const [failure, message] = failureOf(kind, random());
    spans.push({
      fromMs, toMs: fromMs + length, state: down ? "down" : "degraded",
      failure: down ? failure : "assertion",
      message: down ? message : kind === "ping" ? "1 of 3 packets lost" : "slower than usual",
      loss: kind === "ping" ? (down ? 1 : 0.33) : null,
    });
    fromMs += length;
  }
  return spans;
}

function actor(seed: number, index: number, group: string, part: Part, nowMs: number): Actor {
  const random = sequence(seed * 7919 + index * 104_729 + 1);
  const [name, kind, target, ms] = part;
  return {
    id: uuid(seed, index), seed: Math.floor(random() * 2 ** 31), name, group, kind, target,
    labels: {
      site: index % 3 === 0 ? "office" : "rack",
      ...(kind === "http" ? { public: "yes" } : {}),
    },
    intervalMs: kind === "ping" ? 30 * SECOND : MINUTE, timeoutMs: 10 * SECOND,
    firstSeenMs: nowMs - (40 + random() * 420) * DAY,
    baseUs: ms * 1000, spread: 0.12 + random() * 0.22,
    spans: past(random, kind, nowMs), gaps: [], pausedUntilMs: null, pending: false,
  };
}

function parts(size: number): [string, Part][] {
  const office = OFFICE.flatMap(([group, list]) => list.map((part): [string, Part] => [group, part]));
  const made = Array.from({ length: Math.max(0, size - office.length) }, (_, index): [string, Part] => {
    const rack = Math.floor(index / 40) + 1;
    const group = size <= 60 ? "Hosts" : `Rack ${String(rack).padStart(2, "0")}`;
    const host = `host-${String(index + 1).padStart(size > 1000 ? 4 : 2, "0")}`;
    const kinds: Part[] = [
      [host, "ping", `10.0.${Math.floor(index / 250)}.${(index % 250) + 1}`, 0.3 + (index % 17) * 0.2],
      [`${host}-ssh`, "tcp", `${host}.home.lan:22`, 1 + (index % 23)],
      [`${host}-web`, "http", `https://${host}.home.lan/healthz`, 12 + (index % 90)],
    ];
    return [group, kinds[index % 3] ?? [host, "ping", host, 1]];
  });
  return [...office, ...made].slice(0, size);
}

/** Nights asleep, a lost link, a day switched off: gaps that everybody shares. */
function sharedGaps(random: () => number, nowMs: number): Gap[] {
  const gaps: Gap[] = [{ fromMs: nowMs - 89 * DAY, toMs: nowMs - 83.4 * DAY, reason: "not_running" }];
  gaps.push({ fromMs: nowMs - 19.6 * DAY, toMs: nowMs - 17.9 * DAY, reason: "not_running" });
  for (let day = 80; day > 20; day -= 3 + Math.floor(random() * 5)) {
    const fromMs = nowMs - day * DAY + random() * HOUR;
    gaps.push({ fromMs, toMs: fromMs + (0.5 + random() * 3) * HOUR, reason: random() < 0.6 ? "asleep" : "offline" });
  }
  gaps.push({ fromMs: nowMs - 4.2 * DAY, toMs: nowMs - 4.2 * DAY + 4 * HOUR, reason: "asleep" });
  gaps.push({ fromMs: nowMs - 15.8 * HOUR, toMs: nowMs - 14.6 * HOUR, reason: "asleep" });
  return gaps;
}

function openSpan(of: Actor, state: "down" | "degraded", sinceMs: number, failure: Failure, message: string, loss: number | null): void {
  of.spans.push({ fromMs: sinceMs, toMs: null, state, failure, message, loss });
}

function usualTrouble(actors: Actor[], nowMs: number): void {
  const named = (name: string) => actors.find((one) => one.name === name);
  const router = named("router");
  if (router) openSpan(router, "down", nowMs - 4 * MINUTE - 12 * SECOND, "timeout", "no answer to ping", 1);
  const uplink = named("fibre-uplink");
  if (uplink) openSpan(uplink, "degraded", nowMs - 38 * MINUTE, "assertion", "4 % loss", 0.04);
  named("office-vpn")?.gaps.push({ fromMs: nowMs - 5 * HOUR, toMs: null, reason: "fault" });
  named("staging")?.gaps.push({ fromMs: nowMs - 26 * HOUR, toMs: null, reason: "paused" });
  named("backup")?.gaps.push({ fromMs: nowMs - 20 * MINUTE, toMs: nowMs + 2 * HOUR, reason: "maintenance" });
}

function play(scenario: Scenario, world: World, nowMs: number): void {
  const { actors, gaps } = world;
  const shared = (reason: Gap["reason"], ago: number) => gaps.push({ fromMs: nowMs - ago, toMs: null, reason });
  switch (scenario) {
    case "calm":
      break;
    case "degraded":
      for (const one of actors.slice(0, 2)) openSpan(one, "degraded", nowMs - 12 * MINUTE, "assertion", "slower than usual", null);
      break;
    case "several":
      actors.slice(0, Math.max(3, Math.floor(actors.length / 6))).forEach((one, index) => {
        const [failure, message] = failureOf(one.kind, at(3, index));
        openSpan(one, "down", nowMs - (2 + index) * MINUTE, failure, message, one.kind === "ping" ? 1 : null);
      });
      break;
    case "offline":
      shared("offline", 7 * MINUTE);
      break;
    case "asleep":
      shared("asleep", 20 * SECOND);
      break;
    case "paused":
      for (const one of actors) one.gaps.push({ fromMs: nowMs - 2 * HOUR, toMs: null, reason: "paused" });
      break;
    case "pending":
      for (const one of actors) Object.assign(one, { pending: true, firstSeenMs: nowMs, spans: [] });
      gaps.length = 0;
      break;
    default:
      usualTrouble(actors, nowMs);
  }
}

export function cast(size: number, seed: number, scenario: Scenario, hostile: boolean, nowMs: number): World {
  const actors = parts(size).map(([group, part], index) => actor(seed, index, group, part, nowMs));
  if (hostile) {
    HOSTILE.forEach((name, index) => {
      const part: Part = [name, "http", `https://${"very-".repeat(40)}long.example/${name}`, 30];
      actors.push(actor(seed, 100_000 + index, index % 2 ? "Hostile <b>group</b>" : HOSTILE[0] ?? "", part, nowMs));
    });
  }
  const world: World = { actors, gaps: sharedGaps(sequence(seed + 5), nowMs) };
  play(scenario, world, nowMs);
  return world;
}
