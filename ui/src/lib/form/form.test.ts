import { describe, expect, it } from "vitest";
import type { FieldSpec, FormSpec, MonitorDraft } from "../ipc/bindings";
import { diffLines, fold } from "./diff";
import { carryOver, errorsByKey, fieldsOf, firstError, inheritedOf, isDirty, isReference, set, strayErrors } from "./draft";
import { faultOf, freshId, mapOf, rowsOf } from "./textMap";
import { wordsOfKey } from "./words";

const field = (key: string, value: string | null = null): FieldSpec => ({
  key, kind: { type: "text" }, required: false, default: value, doc: "",
});
const form: FormSpec = {
  common: [field("name"), field("interval", "1m")],
  kinds: [
    { id: "web", fields: [field("url"), field("port")] },
    { id: "socket", fields: [field("target"), field("port", "1")] },
  ],
  groups: ["Services"],
};
const draft: MonitorDraft = {
  id: "m", kind: "web", group: "Services", base: "b1", inherited: { interval: { value: "30s", from: "group" } },
  values: { name: "git", url: "https://a", port: "1", headers: { A: "1" } },
};

describe("a draft", () => {
  it("lists common fields, then those of the kind", () => {
    expect(fieldsOf(form, "web").map((each) => `${each.owner}.${each.spec.key}`)).toEqual([
      "monitor.name", "monitor.interval", "web.url", "web.port",
    ]);
  });

  it("is dirty when a value differs, and not after it was put back", () => {
    expect(isDirty(draft, draft)).toBe(false);
    const changed = set(draft, "port", "2");
    expect(isDirty(draft, changed)).toBe(true);
    expect(isDirty(draft, set(changed, "port", "1"))).toBe(false);
    expect(isDirty(draft, set(draft, "interval", ""))).toBe(false);
    expect(isDirty(draft, set(draft, "headers", { A: "2" }))).toBe(true);
    expect(isDirty(draft, set(draft, "headers", { A: "1" }))).toBe(false);
  });

  it("takes shared values along to another kind", () => {
    const fresh: MonitorDraft = { id: null, kind: "socket", group: "", base: "b9", inherited: {}, values: { target: null } };
    expect(carryOver(form, draft, fresh)).toEqual({
      id: "m", kind: "socket", group: "Services", base: "b1", inherited: {}, values: { target: null, name: "git", port: "1" },
    });
  });

  it("knows where an unset value comes from", () => {
    expect(inheritedOf(draft, field("interval", "1m"))).toEqual({ value: "30s", from: "group" });
    expect(inheritedOf(draft, field("port", "1"))).toEqual({ value: "1", from: "default" });
    expect(inheritedOf(draft, field("url"))).toBeNull();
  });

  it("sorts errors to their fields", () => {
    const errors = errorsByKey([{ key: "url", what: "One." }, { key: "url", what: "Two." }, { key: "odd", what: "Three." }]);
    expect(errors).toEqual({ url: "One. Two.", odd: "Three." });
    expect(firstError(["name", "url"], errors)).toBe("url");
    expect(strayErrors(["name", "url"], errors)).toEqual(["Three."]);
  });

  it("tells references from plain values", () => {
    expect(["${secret:NAME}", " ${HOME} ", "a${b}", "${}", ""].map(isReference)).toEqual([true, true, false, false, false]);
  });
});

describe("wordsOfKey", () => {
  it("makes words of a key", () => {
    expect(["expectedStatus", "sslCertExpiryWarningDays", "maxBody", "tlsCAFile", "url"].map(wordsOfKey)).toEqual([
      "Expected status", "Ssl cert expiry warning days", "Max body", "Tls CA file", "Url",
    ]);
  });
});

describe("a map of text", () => {
  it("goes to rows and back", () => {
    const map = { Accept: "text/html", "X-Key": "${secret:KEY}" };
    expect(mapOf(rowsOf(map))).toEqual(map);
    expect(mapOf([{ id: 0, key: " ", value: "" }])).toBeNull();
    expect(freshId(rowsOf(map))).toBe(2);
  });

  it("says which row would get lost", () => {
    const rows = [{ id: 0, key: "A", value: "1" }, { id: 1, key: "A ", value: "2" }, { id: 2, key: "", value: "3" }, { id: 3, key: "", value: "" }];
    expect(rows.map((row) => faultOf(rows, row))).toEqual(["twice", "twice", "no_key", null]);
  });
});

describe("diffLines", () => {
  it("sets changed lines beside each other and keeps the rest", () => {
    expect(diffLines("a\nb\nc", "a\nx\ny\nc")).toEqual([
      { left: "a", right: "a", same: true },
      { left: "b", right: "x", same: false },
      { left: null, right: "y", same: false },
      { left: "c", right: "c", same: true },
    ]);
  });

  it("finds lines that moved in between", () => {
    const rows = diffLines("one\ntwo\nthree\nfour", "two\nthree\nfive\nfour");
    expect(rows.filter((row) => !row.same)).toEqual([
      { left: "one", right: null, same: false },
      { left: null, right: "five", same: false },
    ]);
  });

  it("folds long stretches that are the same", () => {
    const lines = Array.from({ length: 20 }, (_, at) => `l${at}`);
    const folded = fold(diffLines(lines.join("\n"), lines.with(10, "other").join("\n")), 2);
    expect(folded.map((row) => ("folded" in row ? row.folded : "row"))).toEqual([8, "row", "row", "row", "row", "row", 7]);
  });
});
