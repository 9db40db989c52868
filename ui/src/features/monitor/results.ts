// The list of latest results: read page by page, refreshed from its top.
import type { CheckResult, ResultCursor, ResultPage } from "../../lib/ipc/bindings";

export type ResultList = { results: CheckResult[]; next: ResultCursor | null };

/** Adds the page that follows. */
export function withMore(list: ResultList, page: ResultPage): ResultList {
  return { results: [...list.results, ...page.results], next: page.next };
}

/**
 * Puts a fresh first page over a list that may reach further back. Where the page does not reach down to the list, the
 * results in between are unknown: the list starts anew.
 */
export function refreshed(list: ResultList | null, page: ResultPage): ResultList {
  const [oldest, newest] = [page.results.at(-1), list?.results[0]];
  const fresh: ResultList = { results: page.results, next: page.next };
  if (!list || !oldest || !newest || oldest.timeMs > newest.timeMs) return fresh;
  const older = list.results.filter((result) => result.timeMs < oldest.timeMs);
  return older.length === 0 ? fresh : { results: [...page.results, ...older], next: list.next };
}
