// When somebody is really at work: input in a visible tab. Counts active seconds for the page, and knows how long ago the
// last input was.

const IDLE_AFTER_MS = 30_000;
const TICK_MS = 1000;

export class Activity {
  /** Calls onTick(seconds) every second that counted. */
  constructor(onTick) {
    this.total = 0;
    this.pageStart = 0;
    this.lastInput = Date.now();
    for (const type of ["pointerdown", "pointermove", "keydown", "wheel"]) {
      document.addEventListener(type, () => (this.lastInput = Date.now()), { capture: true, passive: true });
    }
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

  startPage() {
    this.pageStart = this.total;
  }

  /** Active seconds since the page was opened. */
  get pageSeconds() {
    return this.total - this.pageStart;
  }
}
