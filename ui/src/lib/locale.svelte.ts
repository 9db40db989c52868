// Which language the window speaks, and which locale writes its numbers and dates.
import type { Preferences } from "./ipc/bindings";

export type Language = "en" | "de";

const LANGUAGES: readonly Language[] = ["en", "de"];
const FALLBACK = "en-GB";

/** The tag where `Intl` takes it, else null: with `LANG=C` an engine says "C", and every `Intl` call would throw. */
export function validTag(tag: string | undefined): string | null {
  if (!tag) return null;
  try {
    const canonical = Intl.getCanonicalLocales(tag)[0] ?? null;
    return canonical && Intl.DateTimeFormat.supportedLocalesOf(canonical).length > 0 ? canonical : null;
  } catch {
    return null;
  }
}

/** Language and tag for a wish and what the system offers, best first. */
export function resolveLocale(wish: Preferences["language"], offered: readonly string[]): { language: Language; tag: string } {
  const tags = offered.map(validTag).filter((tag) => tag !== null);
  const spoken = (tag: string) => LANGUAGES.find((language) => tag === language || tag.startsWith(`${language}-`));
  if (wish === "system") {
    const tag = tags.find(spoken);
    return tag ? { language: spoken(tag) ?? "en", tag } : { language: "en", tag: FALLBACK };
  }
  const regional = tags.find((tag) => spoken(tag) === wish);
  return { language: wish, tag: regional ?? (wish === "en" ? FALLBACK : wish) };
}

/** Makes `navigator.language` something that libraries may hand to `Intl`. */
export function guardNavigator(): void {
  if (validTag(navigator.language)) return;
  Object.defineProperty(navigator, "language", { value: FALLBACK, configurable: true });
  Object.defineProperty(navigator, "languages", { value: [FALLBACK], configurable: true });
}

let current = $state.raw(resolveLocale("en", []));

export function language(): Language {
  return current.language;
}

/** For `Intl`: the tag of the system where it fits the language. */
export function localeTag(): string {
  return current.tag;
}

export function useLanguage(wish: Preferences["language"]): void {
  const offered = typeof navigator === "undefined" ? [] : [...(navigator.languages ?? []), navigator.language];
  current = resolveLocale(wish, offered);
  if (typeof document !== "undefined") document.documentElement.lang = current.language;
}
