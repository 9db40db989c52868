// Words, numbers and places: what is pure and small.
import { afterEach, describe, expect, test } from "vitest";
import * as format from "./format";
import { t, type MessageKey } from "./i18n";
import { resolveLocale, useLanguage, validTag } from "./locale.svelte";
import { hrefOf, parseRoute, type Route } from "./route.svelte";

const catalogues = import.meta.glob<{ default: Record<string, string | Record<string, string>> }>("../../messages/**/*.json", { eager: true });
const merged = (language: string) =>
  Object.assign({}, ...Object.entries(catalogues).filter(([path]) => path.endsWith(`${language}.json`)).map(([, module]) => module.default)) as
    Record<string, string | Record<string, string>>;
const plain = (text: string) => text.replaceAll("\u00a0", " ").replaceAll("\u202f", " ");

afterEach(() => useLanguage("en"));

describe("messages", () => {
  const en = merged("en");
  const de = merged("de");
  const holes = (message: string) => [...message.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();
  const texts = (message: string | Record<string, string>) => (typeof message === "string" ? [message] : Object.values(message));

  test("both languages have the same keys, and no file repeats another's", () => {
    expect(Object.keys(de).sort()).toEqual(Object.keys(en).sort());
    const all = Object.entries(catalogues).filter(([path]) => path.endsWith("en.json")).flatMap(([, module]) => Object.keys(module.default));
    expect(new Set(all).size).toBe(all.length);
  });

  test("both languages have the same placeholders and forms", () => {
    for (const [key, ours] of Object.entries(en)) {
      const theirs = de[key] ?? "";
      expect(new Set(texts(theirs).flatMap(holes)), key).toEqual(new Set(texts(ours).flatMap(holes)));
      const forms = typeof ours === "string" ? [] : ["one", "other"];
      for (const message of [ours, theirs]) expect(typeof message === "string" ? [] : Object.keys(message).sort(), key).toEqual(forms);
    }
  });

  test("plurals and placeholders", () => {
    expect(t("sentence_all_up", { count: 1 })).toBe("The only monitor is up.");
    expect(t("sentence_all_up", { count: 1234 })).toBe("All 1,234 monitors are up.");
    useLanguage("de");
    expect(t("sentence_all_up", { count: 1234 })).toBe("Alle 1.234 Überwachungen sind erreichbar.");
    expect(t("no such key" as MessageKey)).toBe("no such key");
  });
});

describe("locale", () => {
  test("what is no locale is none", () => {
    expect([validTag("C"), validTag("C.UTF-8"), validTag(""), validTag(undefined), validTag("de-AT")]).toEqual([null, null, null, null, "de-AT"]);
  });

  test("wish before system, region of the system where it fits", () => {
    expect(resolveLocale("system", ["C"])).toEqual({ language: "en", tag: "en-GB" });
    expect(resolveLocale("system", ["fr-FR", "de-AT", "en-US"])).toEqual({ language: "de", tag: "de-AT" });
    expect(resolveLocale("de", ["en-US"])).toEqual({ language: "de", tag: "de" });
    expect(resolveLocale("en", ["en-US"])).toEqual({ language: "en", tag: "en-US" });
  });
});

describe("format", () => {
  const at = Date.UTC(2026, 10, 23, 14, 6, 12);

  test.each([
    [0, "0 s"], [400, "0.4 s"], [9_990, "9.9 s"], [10_000, "10 s"], [59_999, "59 s"], [250_000, "4 min 10 s"], [3_600_000, "1 h"],
    [4_320_000, "1 h 12 min"], [86_400_000 * 12 + 4 * 3_600_000, "12 d 4 h"], [86_400_000 + 5000, "1 d"], [-5, "0 s"],
  ])("a length of %i ms is %s", (ms, expected) => expect(plain(format.duration(ms))).toBe(expected));

  test.each([
    [80, "80 µs"], [400, "0.4 ms"], [3100, "3.1 ms"], [41_210, "41 ms"], [999_400, "999 ms"], [1_234_000, "1.2 s"], [10_000_000, "10 s"], [null, "–"],
  ])("an answer of %s µs is %s", (us, expected) => expect(plain(format.answer(us))).toBe(expected));

  test.each([
    [1, "100 %"], [0.999999, "99.99 %"], [0.9998, "99.98 %"], [0.982, "98.2 %"], [0.07, "7 %"], [0, "0 %"], [null, "–"],
  ])("a share of %s is %s", (ratio, expected) => expect(plain(format.percent(ratio))).toBe(expected));

  test("dates, times and sizes follow the language", () => {
    useLanguage("en");
    expect([format.utc(at), plain(format.bytes(18_432)), plain(format.bytes(999))]).toEqual(["2026-11-23 14:06:12 UTC", "18.4 kB", "999 B"]);
    expect(format.dayName(at, at + 3_600_000)).toBe("today");
    expect(format.dayName(at, at + 86_400_000)).toBe("yesterday");
    useLanguage("de");
    expect([plain(format.percent(0.9998)), plain(format.duration(86_400_000 * 2)), plain(format.ago(250_000))]).toEqual(["99,98 %", "2 T", "vor 4 min"]);
  });

  test("days of the calendar go there and back", () => {
    expect(format.dayOf(format.dayStart("2026-03-29"))).toBe("2026-03-29");
  });
});

describe("routes", () => {
  const routes: Route[] = [
    { name: "overview" }, { name: "monitor", id: "a/b ä" }, { name: "edit", id: "x" }, { name: "new" }, { name: "incidents" },
    { name: "storage" }, { name: "secrets" }, { name: "settings" }, { name: "first-run" },
  ];

  test.each(routes.map((route) => [hrefOf(route), route] as const))("%s there and back", (href, route) => {
    expect(parseRoute(href)).toEqual(route);
  });

  test("what is nowhere is the overview", () => {
    for (const hash of ["", "#", "#/", "#/ambient", "#/monitor", "#/monitor/", "#/%E0%A4%A"]) expect(parseRoute(hash).name).toBe("overview");
  });
});
