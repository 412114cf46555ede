// <relative-time datetime="2026-01-31T10:00:00Z">31 Jan 2026, 10:00 UTC</relative-time>: "3 minutes ago", kept fresh;
// the full local time is the tooltip. Without JavaScript the text inside stands.

const STEPS = [
  [60, "second", 1],
  [3600, "minute", 60],
  [86400, "hour", 3600],
  [86400 * 30, "day", 86400],
  [86400 * 365, "month", 86400 * 30],
  [Infinity, "year", 86400 * 365],
];
const language = document.documentElement.lang || undefined;
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
const full = new Intl.DateTimeFormat(language, { dateStyle: "long", timeStyle: "medium" });
const shown = new Set();

class RelativeTime extends HTMLElement {
  static observedAttributes = ["datetime"];

  connectedCallback() {
    shown.add(this);
    this.render();
  }

  disconnectedCallback() {
    shown.delete(this);
  }

  attributeChangedCallback() {
    if (this.isConnected) this.render();
  }

  render() {
    const at = new Date(this.getAttribute("datetime") ?? "");
    if (Number.isNaN(at.getTime())) return;
    const seconds = (at.getTime() - Date.now()) / 1000;
    const [, unit, size] = STEPS.find(([limit]) => Math.abs(seconds) < limit);
    const text = relative.format(unit === "second" ? 0 : Math.round(seconds / size), unit);
    if (this.textContent !== text) this.textContent = text;
    this.title = full.format(at);
  }
}

customElements.define("relative-time", RelativeTime);
setInterval(() => {
  if (!document.hidden) for (const element of shown) element.render();
}, 30_000);
