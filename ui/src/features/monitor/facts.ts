// Facts of a result in words. Which facts there are is the core's business; unknown ones are shown by their key.
import { answer, bytes, duration, exact, number } from "../../lib/format";
import { maybe } from "../../lib/i18n";
import type { Fact } from "../../lib/ipc/bindings";
import { wordsOfKey } from "../../lib/form/words";

export const factLabel = (key: string): string => maybe(`fact_${key}`) ?? wordsOfKey(key);

export function factValue(fact: Fact): string {
  if (fact.unit === "text") return fact.text ?? "–";
  if (fact.number === null) return "–";
  switch (fact.unit) {
    case "count": return number(fact.number);
    case "bytes": return bytes(fact.number);
    case "micros": return answer(fact.number);
    case "seconds": return duration(fact.number * 1000);
    case "time": return exact(fact.number);
  }
}

/** What is worth a place in one line, where a result has no message of its own. */
const HEADLINES = ["http_status", "http_bytes", "ping_received", "ping_stddev_us", "dns_answers", "dns_rcode", "peer"];
const HEADLINES_MOST = 2;

export function headlineOf(facts: readonly Fact[]): string {
  const known = HEADLINES.flatMap((key) => facts.find((fact) => fact.key === key) ?? []);
  return known.slice(0, HEADLINES_MOST).map((fact) => maybe(`headline_${fact.key}`, { value: factValue(fact) }) ?? factValue(fact)).join(" · ");
}
