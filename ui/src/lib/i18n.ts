// All words of the window. `t` takes a key of the catalogue; TypeScript knows the keys, a test compares the languages.
//
// A message is a text with `{placeholders}`, or one text for each plural category, chosen by the parameter `count`.
// `messages/en.json` holds the frame, the overview, incidents and settings; `messages/monitor/en.json` a monitor's page,
// the form and the first run, `messages/storage/en.json` storage and secrets. Keys must be unique over all.
import en from "../../messages/en.json";
import de from "../../messages/de.json";
import monitorEn from "../../messages/monitor/en.json";
import monitorDe from "../../messages/monitor/de.json";
import storageEn from "../../messages/storage/en.json";
import storageDe from "../../messages/storage/de.json";
import { language, localeTag, type Language } from "./locale.svelte";

type Message = string | { [category: string]: string };
type Words = typeof en & typeof monitorEn & typeof storageEn;

export type MessageKey = keyof Words;
export type Parameters = { readonly [name: string]: string | number };

const CATALOGUES: { [L in Language]: { readonly [key: string]: Message } } = {
  en: { ...en, ...monitorEn, ...storageEn },
  de: { ...de, ...monitorDe, ...storageDe },
};

const plurals = new Map<Language, Intl.PluralRules>();
const numbers = new Map<string, Intl.NumberFormat>();

function pluralOf(of: Language, count: number): string {
  let rules = plurals.get(of);
  if (!rules) plurals.set(of, (rules = new Intl.PluralRules(of)));
  return rules.select(count);
}

function written(value: string | number): string {
  if (typeof value === "string") return value;
  const tag = localeTag();
  let format = numbers.get(tag);
  if (!format) numbers.set(tag, (format = new Intl.NumberFormat(tag)));
  return format.format(value);
}

function fill(text: string, parameters: Parameters): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = parameters[name];
    return value === undefined ? whole : written(value);
  });
}

function say(key: string, parameters: Parameters): string | null {
  const spoken = language();
  const message = CATALOGUES[spoken][key] ?? CATALOGUES.en[key];
  if (message === undefined) return null;
  if (typeof message === "string") return fill(message, parameters);
  const count = typeof parameters.count === "number" ? parameters.count : 0;
  return fill(message[pluralOf(spoken, count)] ?? message.other ?? "", parameters);
}

/** The message in the language of the window. Follows a change of language where it is read in markup. */
export function t(key: MessageKey, parameters: Parameters = {}): string {
  return say(key, parameters) ?? key;
}

/** For keys put together from the core's own words: null where the catalogue has none. */
export function maybe(key: string, parameters: Parameters = {}): string | null {
  return say(key, parameters);
}
