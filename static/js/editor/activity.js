// When somebody is really at work: input in a visible tab. Counts active seconds for the page, and knows how long ago the
// last input was. Counts clicks and keys as well.

const IDLE_AFTER_MS = 30_000;
const TICK_MS = 1000;

export class Activity {
  /** Calls onTick(seconds) every second that counted. */
  constructor(onTick) {
    this.total = 0;
    this.pageStart = 0;
    this.pageActions = 0;
    this.lastInput = Date.now();
    for (const type of ["pointerdown", "pointermove", "keydown", "wheel"]) {
      document.addEventListener(type, () => (this.lastInput = Date.now()), { capture: true, passive: true });
    }
    document.addEventListener("pointerdown", () => (this.pageActions += 1), { capture: true, passive: true });
    document.addEventListener("keydown", (event) => this.#key(event), { capture: true, passive: true });
    let last = performance.now();
    setInterval(() => {
      const now = performance.now();
      const passed = Math.min(now - last, 2 * TICK_MS) / 1000;
      last = now;
      if (document.hidden || this.idleFor > IDLE_AFTER_MS) return;
      this.total += passed;
      onTick(this.total);
    }, TICK_MS);
  }

  /** Milliseconds since the last input. */
  get idleFor() {
    return Date.now() - this.lastInput;
  }

  /** A key counts once, however long it is held; those that only change other keys do not count. */
  #key({ key, repeat }) {
    if (!repeat && !["Shift", "Control", "Alt", "Meta", "AltGraph", "CapsLock"].includes(key)) this.pageActions += 1;
  }

  startPage() {
    this.pageStart = this.total;
    this.pageActions = 0;
  }

  /** Active seconds since the page was opened. */
  get pageSeconds() {
    return this.total - this.pageStart;
  }
}
