// The core's errors in words.
import { t } from "../i18n";
import { IpcFailure } from "./client";
import type { Failed } from "./bindings";

function describeFailed(failed: Failed): string {
  switch (failed.code) {
    case "unknown_monitor":
      return t("failed_unknown_monitor", { name: failed.name });
    case "bad_request":
      return t("failed_bad_request", { why: failed.why });
    case "storage":
      return t("failed_storage", { what: failed.what });
    case "busy":
      return t("failed_busy", { why: failed.why });
    case "file":
      return t("failed_file", { path: failed.path, what: failed.what });
    case "problems":
      return t("failed_problems", {
        count: failed.problems.length,
        line: failed.problems[0]?.line ?? 0,
        what: failed.problems[0]?.what ?? "",
      });
    case "no_dialog":
      return t("failed_no_dialog");
    case "internal":
      return t("failed_internal", { why: failed.why });
  }
}

export function describe(error: unknown): string {
  if (error instanceof IpcFailure) return describeFailed(error.failed);
  return t("failed_unknown", { why: error instanceof Error ? error.message : String(error) });
}
