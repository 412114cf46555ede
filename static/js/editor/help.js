// The instructions tab and the panel of shortcuts.

import { byId, element, storage } from "./dom.js";
import { REGISTRY } from "./shortcuts.js";

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

const NAMES = new Map(
  Object.entries({
    enter: "Enter", escape: "Esc", delete: "Delete", backspace: "⌫", " ": "Space", arrowleft: "←", arrowright: "→",
    arrowup: "↑", arrowdown: "↓", ctrl: "Ctrl", shift: "Shift",
  }),
);

const keyCaps = (key) => {
  const parts = key === "+" ? ["+"] : key.split("+");
  return element("span", { className: "keys" }, ...parts.map((part) => element("kbd", { textContent: NAMES.get(part) ?? part.toUpperCase() })));
};

/** Fills the shortcuts panel: rows of the template whose action works on this kind of page, with their keys. */
export function fillShortcuts(scope) {
  const keys = new Map(REGISTRY.filter((one) => one.scopes.includes(scope)).map((one) => [one.action, one.keys]));
  for (const row of byId("shortcuts-dialog").querySelectorAll("[data-action]")) {
    const own = keys.get(row.dataset.action);
    row.hidden = !own;
    // Keys that do the same on another layout ("+" and "=") are shown once.
    const shown = (own ?? []).filter((key) => key !== "=" && !key.startsWith("shift+arrow"));
    if (own) row.querySelector("dd").replaceChildren(...shown.map(keyCaps));
  }
  for (const row of byId("shortcuts-dialog").querySelectorAll("[data-scopes]")) {
    row.hidden = !row.dataset.scopes.split(" ").includes(scope);
  }
}
