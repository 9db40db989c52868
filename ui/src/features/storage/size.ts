// What the store takes; where other installations keep something there too, what of it is this one's own.
import { bytes } from "../../lib/format";
import { t } from "../../lib/i18n";
import type { StorageState } from "../../lib/ipc/bindings";

export function takes(state: Pick<StorageState, "sizeBytes" | "ownBytes">): string | null {
  if (state.sizeBytes === null) return null;
  const size = bytes(state.sizeBytes);
  return state.ownBytes === null ? size : t("storage_own_share", { own: bytes(state.ownBytes), size });
}
