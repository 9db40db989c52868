// Colours for a canvas, read from the design tokens: a canvas knows no custom properties.

export const INKS = [
  "text", "text-muted", "line", "surface-1", "accent", "down", "down-soft", "unobserved", "series-1", "series-2", "series-3", "series-4",
] as const;
export type Ink = (typeof INKS)[number];
export type Palette = { [I in Ink]: string } & { font: string; soft: { [I in Ink]: string } };

/**
 * Reads them all at an element. A custom property is returned as it is written (`light-dark(…)`), so each is set as a
 * colour first and read back as what it came to.
 */
export function readPalette(at: HTMLElement): Palette {
  const probe = at.appendChild(document.createElement("span"));
  probe.hidden = true;
  const read = (write: (colour: string) => string): { [I in Ink]: string } => {
    const colours = INKS.map((ink) => {
      probe.style.color = write(`var(--${ink})`);
      return [ink, getComputedStyle(probe).color] as const;
    });
    return Object.fromEntries(colours) as { [I in Ink]: string };
  };
  const palette = {
    ...read((colour) => colour),
    // For areas. Mixed here, as a canvas need not know how to mix.
    soft: read((colour) => `color-mix(in oklch, ${colour} 15%, transparent)`),
    font: getComputedStyle(at).fontFamily,
  };
  probe.remove();
  return palette;
}

/** Calls back when the theme changes, by choice or by the system. */
export function onThemeChange(changed: () => void): () => void {
  const observer = new MutationObserver(changed);
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", changed);
  return () => {
    observer.disconnect();
    system.removeEventListener("change", changed);
  };
}
