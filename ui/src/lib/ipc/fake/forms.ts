// The form of a monitor in the fake world: the fields of the real kinds, and the checks that a file would get.
import type { DraftValue, FieldError, FieldKind, FieldSpec, FormSpec, MonitorDraft } from "../bindings";
import { DAY, MINUTE, SECOND } from "./world";

function field(key: string, kind: FieldKind, doc: string, more: { required?: boolean; default?: string } = {}): FieldSpec {
  return { key, kind, required: more.required ?? false, default: more.default ?? null, doc };
}

const TEXT: FieldKind = { type: "text" };
const integer = (min: number, max: number): FieldKind => ({ type: "integer", min, max });

const COMMON: FieldSpec[] = [
  field("name", TEXT, "What it is called; required, and unique in the file.", { required: true }),
  field("enabled", { type: "toggle" }, "`false` leaves it out without removing it from the file.", { default: "true" }),
  field("interval", { type: "duration", minMs: SECOND, maxMs: 365 * DAY }, "From one check to the next; inherited from the group, else from `monitoring.defaultInterval`."),
  field("timeout", { type: "duration", minMs: 1, maxMs: 5 * MINUTE }, "Longest time one check may take; inherited from the group, else from `monitoring.defaultTimeout`."),
  field("failureThreshold", integer(1, 1000), "Failures in a row until it is down; inherited from `monitoring.defaultFailureThreshold`."),
  field("recoveryThreshold", integer(1, 1000), "Successes in a row until it is up again; inherited from `monitoring.defaultRecoveryThreshold`."),
  field("labels", { type: "textMap" }, "Words of your own; keys keep their case."),
];

const KINDS: FormSpec["kinds"] = [
  {
    id: "http",
    fields: [
      field("url", TEXT, "The http or https address to get; `user:password@` before the host becomes basic authentication. The query (from `?` on) is sent and never shown.", { required: true }),
      field("expectedStatus", integer(100, 599), "The status code of a good answer; redirects are followed (at most 4) unless it is one of a redirect.", { default: "200" }),
      field("headers", { type: "textMap" }, "Headers to send, `Host` and `User-Agent` among them; a redirect to another host, port or scheme gets only `User-Agent` and the `Accept` ones."),
      field("sslCertExpiryWarningDays", integer(-36_500, 36_500), "How many days before its certificate ends a server counts as degraded; 0 means 30, a negative number never.", { default: "30" }),
      field("maxBody", integer(1, 2 ** 40), "The longest body of an answer, in bytes; a longer one makes the check fail.", { default: "10485760" }),
    ],
  },
  {
    id: "ping",
    fields: [
      field("target", TEXT, "Host name, IPv4 or IPv6 address of the host to ping.", { required: true }),
      field("count", integer(0, 100), "Echo requests sent in one check; 0 means 3.", { default: "3" }),
      field("packetInterval", { type: "duration", minMs: 10, maxMs: MINUTE }, "Time from one echo request to the next; shortened where they would not fit in the time-out.", { default: "200ms" }),
    ],
  },
  {
    id: "tcp",
    fields: [
      field("target", TEXT, "Where to connect to: `host:port`, `ip:port` or `[ipv6]:port`, or a host alone when `port` is given.", { required: true }),
      field("port", integer(1, 65_535), "The port to connect to when the target names none."),
    ],
  },
  {
    id: "dns",
    fields: [
      field("target", TEXT, "Name server to ask: `ip`, `ip:port`, `[v6]:port`, a bare IPv6 address, `name` or `name:port`.", { required: true }),
      field("port", integer(1, 65_535), "Port of the name server where `target` names none.", { default: "53" }),
      field("query", TEXT, "Name to ask for, always taken as complete; for `PTR` it may be an IP address.", { required: true }),
      field("queryType", { type: "choice", choices: ["A", "AAAA", "CNAME", "MX", "TXT", "NS", "PTR", "SRV", "SOA", "CAA"] }, "Type of the records to ask for; only these and the aliases that lead to them count.", { default: "A" }),
      field("expectedResponse", TEXT, "One answer must be this, such as `10.0.0.9` or `10 mail.example.`; names match in any case."),
    ],
  },
];

export function formSpec(groups: string[]): FormSpec {
  return { common: COMMON, kinds: KINDS, groups };
}

export function inherited(): MonitorDraft["inherited"] {
  return {
    interval: { value: "30s", from: "default" },
    timeout: { value: "10s", from: "default" },
    failureThreshold: { value: "3", from: "default" },
    recoveryThreshold: { value: "2", from: "default" },
  };
}

const UNIT_MS: { [unit: string]: number } = { ms: 1, s: SECOND, m: MINUTE, h: 60 * MINUTE, d: DAY };

/** `1m30s` in milliseconds; null where it is none. */
export function durationMs(text: string): number | null {
  if (!/^(\d+(ms|s|m|h|d))+$/.test(text)) return null;
  let sum = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)(ms|s|m|h|d)/g)) sum += Number(count) * (UNIT_MS[unit ?? "s"] ?? 0);
  return sum;
}

function wrongWith(spec: FieldSpec, value: DraftValue): string | null {
  const empty = value === null || (typeof value === "string" && value.trim() === "");
  if (empty) return spec.required ? "is required" : null;
  if (typeof value !== "string" || value.includes("${")) return null;
  const kind = spec.kind;
  switch (kind.type) {
    case "integer": {
      const whole = /^-?\d+$/.test(value) ? Number(value) : NaN;
      return whole >= kind.min && whole <= kind.max ? null : `must be a whole number from ${kind.min} to ${kind.max}`;
    }
    case "duration": {
      const ms = durationMs(value);
      if (ms === null) return "must be written as in `30s`, `1m30s`, `500ms`, `2d`";
      return ms >= kind.minMs && ms <= kind.maxMs ? null : "is out of bounds";
    }
    case "choice":
      return kind.choices.includes(value) ? null : `must be one of ${kind.choices.join(", ")}`;
    default:
      return null;
  }
}

export function errorsOf(draft: MonitorDraft, taken: ReadonlySet<string>): FieldError[] {
  const kind = KINDS.find((one) => one.id === draft.kind);
  if (!kind) return [{ key: "type", what: "is not a kind" }];
  const errors: FieldError[] = [];
  for (const spec of [...COMMON, ...kind.fields]) {
    const what = wrongWith(spec, draft.values[spec.key] ?? null);
    if (what) errors.push({ key: spec.key, what });
  }
  const wrong = (key: string) => errors.some((error) => error.key === key);
  const said = (key: string) => String(draft.values[key] ?? "");
  if (taken.has(said("name"))) errors.push({ key: "name", what: "is the name of another monitor" });
  if (draft.kind === "http" && !wrong("url") && !/^https?:\/\/[^/\s]+/.test(said("url"))) {
    errors.push({ key: "url", what: "must be an http or https address" });
  }
  if (draft.kind === "tcp" && !wrong("target") && !said("port") && !/:\d+$/.test(said("target"))) {
    errors.push({ key: "port", what: "is required, as the target names none" });
  }
  return errors;
}

export function targetOf(draft: MonitorDraft): string {
  const said = (key: string) => String(draft.values[key] ?? "");
  if (draft.kind === "http") return said("url");
  if (draft.kind === "dns") return `${said("target")} · ${said("query")} ${said("queryType") || "A"}`;
  const port = said("port");
  return port && !said("target").includes(":") ? `${said("target")}:${port}` : said("target");
}

/** The values that a monitor of the fake world has in its file. */
export function valuesOf(of: { kind: string; name: string; target: string; labels: { [key: string]: string } }): MonitorDraft["values"] {
  const values: MonitorDraft["values"] = { name: of.name, labels: of.labels };
  if (of.kind === "http") values.url = of.target;
  else if (of.kind === "dns") {
    const [server = "", question = ""] = of.target.split(" · ");
    const [query = "", type = "A"] = question.split(" ");
    Object.assign(values, { target: server, query, queryType: type });
  } else values.target = of.target;
  return values;
}
