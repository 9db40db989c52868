// A configuration file handed over by dialog or drop.

/** No list of monitors is as long as this; something else was dropped. */
const MOST_BYTES = 4 * 1024 * 1024;

export type HandedFile = { name: string; text: string } | { name: string; tooBig: true };

export async function readFile(file: File): Promise<HandedFile> {
  if (file.size > MOST_BYTES) return { name: file.name, tooBig: true };
  return { name: file.name, text: await file.text() };
}

const bringsFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;

/** Takes files that are dropped anywhere on the window; `over` says whether one hovers above it. */
export function fileDrop(handlers: { over: (is: boolean) => void; dropped: (file: File) => void }): () => void {
  const onover = (event: DragEvent): void => {
    if (!bringsFiles(event)) return;
    // Without this the engine would open the file in place of the app.
    event.preventDefault();
    handlers.over(true);
  };
  const onleave = (event: DragEvent): void => {
    if (event.relatedTarget === null) handlers.over(false);
  };
  const ondrop = (event: DragEvent): void => {
    if (!bringsFiles(event)) return;
    event.preventDefault();
    handlers.over(false);
    const file = event.dataTransfer?.files[0];
    if (file) handlers.dropped(file);
  };
  window.addEventListener("dragover", onover);
  window.addEventListener("dragleave", onleave);
  window.addEventListener("drop", ondrop);
  return () => {
    window.removeEventListener("dragover", onover);
    window.removeEventListener("dragleave", onleave);
    window.removeEventListener("drop", ondrop);
  };
}
