// <live-panel src="/projects/7/dashboard/fragment" topic="project:7" version="12">…</live-panel>
//
// Shows what the server last rendered, and asks for the fragment again when the topic moves: by the socket at once, at
// most twice a second; every 20 s while the socket is down (never with data-no-poll, which tests use). `version` is
// optional: the topic's version when the page was rendered; without it the panel asks once when the socket comes up.
// Events: "live-panel:updated" after each swap.

import { events } from "./events-socket.js";
import { morphChildren } from "./morph.js";

const MIN_INTERVAL_MS = 500;
const POLL_MS = 20_000;

class LivePanel extends HTMLElement {
  connectedCallback() {
    if (!this.hasAttribute("aria-live")) this.setAttribute("aria-live", "polite");
    const version = this.hasAttribute("version") ? Number(this.getAttribute("version")) : null;
    this.lastAsked = 0;
    this.endings = [
      events.follow(this.getAttribute("topic"), version, () => this.refreshSoon()),
      events.onState(() => this.schedulePoll()),
    ];
    this.onVisible = () => !document.hidden && this.isDue && this.refreshSoon();
    document.addEventListener("visibilitychange", this.onVisible);
    this.schedulePoll();
  }

  disconnectedCallback() {
    for (const end of this.endings) end();
    document.removeEventListener("visibilitychange", this.onVisible);
    clearTimeout(this.timer);
    clearTimeout(this.pollTimer);
    this.request?.abort();
    this.timer = this.request = null;
  }

  schedulePoll() {
    clearTimeout(this.pollTimer);
    if (events.isUp || this.hasAttribute("data-no-poll")) return;
    this.pollTimer = setTimeout(() => {
      this.refreshSoon();
      this.schedulePoll();
    }, POLL_MS);
  }

  /** Asks for the fragment now, or when half a second has passed since the last time and the tab is looked at. */
  refreshSoon() {
    this.isDue = true;
    if (this.timer || this.request || document.hidden) return;
    const wait = Math.max(0, this.lastAsked + MIN_INTERVAL_MS - performance.now());
    this.timer = setTimeout(() => this.refresh(), wait);
  }

  async refresh() {
    this.timer = null;
    this.isDue = false;
    this.lastAsked = performance.now();
    const request = (this.request = new AbortController());
    try {
      const response = await fetch(this.getAttribute("src"), {
        credentials: "same-origin",
        headers: { Accept: "text/html", "X-Requested-With": "fetch" },
        signal: request.signal,
      });
      // A redirect leads to the sign-in page: what is shown stays, marked as old.
      if (!response.ok || response.redirected) throw new Error(`${response.status} ${response.url}`);
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      if (request.signal.aborted) return;
      morphChildren(this, page.body);
      this.removeAttribute("data-stale");
      this.dispatchEvent(new CustomEvent("live-panel:updated", { bubbles: true }));
    } catch (error) {
      if (error.name === "AbortError") return;
      this.setAttribute("data-stale", "");
      console.warn("The panel could not be refreshed:", error.message);
    } finally {
      if (this.request === request) this.request = null;
    }
    if (this.isDue) this.refreshSoon();
  }
}

customElements.define("live-panel", LivePanel);
