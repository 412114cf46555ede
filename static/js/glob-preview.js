// <glob-preview data-url="/datastores/0/preview/" datastore-field="datastore" path-field="path">: shows how many files
// a path matches while it is typed. The answer is a fragment drawn by the server.
import { morphChildren } from "./morph.js";

const PAUSE_MS = 400;

class GlobPreview extends HTMLElement {
  connectedCallback() {
    this.fields = ["datastore-field", "path-field"].map((name) => this.closest("form").elements[this.getAttribute(name)]);
    for (const field of this.fields) {
      for (const type of ["input", "change"]) field.addEventListener(type, () => this.soon());
    }
    this.addEventListener("click", (event) => this.browse(event.target.closest("[data-path]")));
    this.soon();
  }

  /** A folder of the preview becomes the path. */
  browse(button) {
    if (!button) return;
    const field = this.fields[1];
    field.value = button.dataset.path ? `${button.dataset.path}/**` : "";
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), PAUSE_MS);
  }

  async ask() {
    const [datastore, path] = this.fields.map((field) => field.value);
    if (!datastore) {
      this.replaceChildren();
      return;
    }
    const url = `${this.dataset.url.replace("/0/", `/${encodeURIComponent(datastore)}/`)}?${new URLSearchParams({ path })}`;
    if (url === this.shown) return;
    this.request?.abort();
    this.request = new AbortController();
    this.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(url, { credentials: "same-origin", signal: this.request.signal, headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      if (!response.ok) throw new Error(`${response.status}`);
      morphChildren(this, page.body);
      this.shown = url;
    } catch (error) {
      if (error.name === "AbortError") return;
      this.textContent = this.dataset.failed;
      console.warn("No preview:", error.message);
    }
    this.removeAttribute("aria-busy");
  }
}

customElements.define("glob-preview", GlobPreview);
