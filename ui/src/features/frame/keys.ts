// How shortcuts are written on this platform.

const ON_MAC = typeof navigator !== "undefined" && /Mac/.test(navigator.userAgent);

/** "Ctrl K" or "⌘ K". */
export function commandKey(key: string): string {
  return `${ON_MAC ? "⌘" : "Ctrl"} ${key}`;
}

export function isCommand(event: KeyboardEvent, key: string): boolean {
  return (ON_MAC ? event.metaKey : event.ctrlKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === key;
}
