// The time for "4 min ago": ticks once a second while somebody can see it, and only then.
import { onMount } from "svelte";

export class Clock {
  #now = $state.raw(Date.now());
  #skewMs: () => number;

  /** `skewMs`: the core's clock minus this window's. */
  constructor(skewMs: () => number = () => 0) {
    this.#skewMs = skewMs;
    this.tick();
  }

  get now(): number {
    return this.#now;
  }

  tick = (): void => {
    this.#now = Date.now() + this.#skewMs();
  };

  /** Call while a component is made. */
  run(): void {
    onMount(() => {
      let timer: ReturnType<typeof setInterval> | undefined;
      const follow = () => {
        clearInterval(timer);
        if (document.hidden) return;
        this.tick();
        timer = setInterval(this.tick, 1000);
      };
      follow();
      document.addEventListener("visibilitychange", follow);
      return () => {
        clearInterval(timer);
        document.removeEventListener("visibilitychange", follow);
      };
    });
  }
}
