// The instructions: as a page of their own before labeling begins, and beside the image from then on.

import { byId, storage } from "./dom.js";

/** The tabs "Tasks" and "Instructions"; changed instructions are shown again. `onStart` runs when labeling begins for the first time on this page. */
export class Instructions {
  constructor(project, onStart) {
    this.panel = byId("instructions-panel");
    this.work = byId("tasks-panel");
    this.onStart = onStart;
    this.started = false;
    const text = byId("instructions-text");
    this.key = `tessera.instructions.${project.id}`;
    this.version = project.instructions_hash;
    const isEmpty = !text.textContent.trim() && !text.querySelector("img");
    this.isNew = !isEmpty && storage.get(this.key) !== this.version;
    byId("tab-tasks").addEventListener("click", () => this.showTasks());
    byId("tab-instructions").addEventListener("click", () => this.show());
    byId("start-labeling").addEventListener("click", () => this.showTasks());
    for (const tab of document.querySelectorAll("[role=tab]")) {
      tab.addEventListener("keydown", (event) => {
        if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
        event.preventDefault();
        const other = byId(tab.id === "tab-tasks" ? "tab-instructions" : "tab-tasks");
        other.click();
        other.focus();
      });
    }
  }

  /** Instructions that this person has not seen come first; nothing is taken from the queue before that. */
  begin() {
    if (this.isNew) this.show();
    else this.showTasks();
  }

  get isShown() {
    return !this.panel.hidden;
  }

  toggle() {
    if (this.isShown) this.showTasks();
    else this.show();
  }

  show() {
    this.#select("instructions");
    byId("instructions-scroll").focus();
  }

  showTasks() {
    this.#select("tasks");
    storage.set(this.key, this.version);
    if (!this.started) {
      this.started = true;
      this.onStart();
    }
  }

  #select(name) {
    for (const [tab, panel] of [["tasks", this.work], ["instructions", this.panel]]) {
      panel.hidden = tab !== name;
      const button = byId(`tab-${tab}`);
      button.setAttribute("aria-selected", String(tab === name));
      button.tabIndex = tab === name ? 0 : -1;
    }
    byId("label-page").dataset.tab = name;
  }
}

/** The column beside the image: instructions or comments, and whether it is open, which goes with the person. */
export class HelpPanel {
  /** `onChange(name)` keeps what is open: "instructions", "comments" or "". `onShow(name)` runs when one appears. */
  constructor(open, { onChange, onShow }) {
    this.onChange = onChange;
    this.onShow = onShow;
    this.panel = byId("help-panel");
    this.last = "instructions";
    this.open = "";
    for (const tab of this.panel.querySelectorAll("[data-help]")) {
      tab.addEventListener("click", () => this.show(tab.dataset.help));
      tab.addEventListener("keydown", (event) => {
        if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
        event.preventDefault();
        this.show(tab.dataset.help === "comments" ? "instructions" : "comments");
        this.panel.querySelector(`[data-help="${this.open}"]`).focus();
      });
    }
    byId("help-close").addEventListener("click", () => this.show(""));
    byId("tool-help").addEventListener("click", () => this.show(this.open ? "" : this.last));
    // A narrow screen has room for the image or for this: it opens there only when asked.
    if (open && matchMedia("(min-width: 46rem)").matches) this.#set(open);
  }

  /** Opens this tab; the one that is open closes. */
  toggle(name) {
    this.show(this.open === name ? "" : name);
  }

  show(name) {
    if (name === this.open) return;
    this.#set(name);
    this.onChange(name);
  }

  #set(name) {
    this.open = name;
    if (name) this.last = name;
    this.panel.hidden = !name;
    byId("tool-help").setAttribute("aria-expanded", String(Boolean(name)));
    byId("tasks-panel").classList.toggle("has-help", Boolean(name));
    for (const tab of this.panel.querySelectorAll("[data-help]")) {
      const isOpen = tab.dataset.help === name;
      tab.setAttribute("aria-selected", String(isOpen));
      tab.tabIndex = isOpen ? 0 : -1;
      byId(`help-${tab.dataset.help}`).hidden = !isOpen;
    }
    if (name) this.onShow(name);
  }
}
