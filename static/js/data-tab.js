// <data-tab>: which items are chosen, Shift for a whole range, and what may be done with them. [data-ask] asks first.
// The checkboxes belong to the form #review, so everything works without this module too, only less comfortably.

import { ask } from "./confirm.js";

class DataTab extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", (event) => this.clicked(event));
    this.addEventListener("change", (event) => this.changed(event));
    // The Back button restores ticks after this has run.
    addEventListener("pageshow", () => this.show());
    this.show();
  }

  get boxes() {
    return [...this.querySelectorAll('input[name="entries"]')];
  }

  clicked(event) {
    const box = event.target;
    if (!(box instanceof HTMLInputElement) || box.name !== "entries") return;
    const boxes = this.boxes;
    const at = boxes.indexOf(box);
    if (event.shiftKey && this.last !== undefined) {
      const [from, to] = [Math.min(at, this.last), Math.max(at, this.last)];
      for (const one of boxes.slice(from, to + 1)) one.checked = box.checked;
    }
    this.last = at;
    this.show();
  }

  changed(event) {
    if (event.target.matches("[data-select-all]")) for (const one of this.boxes) one.checked = event.target.checked;
    this.show();
  }

  show() {
    const boxes = this.boxes;
    const count = boxes.filter((one) => one.checked).length;
    for (const button of this.querySelectorAll("[data-needs-choice]")) button.disabled = count === 0;
    const note = this.querySelector("[data-chosen]");
    if (note) note.textContent = count ? note.dataset.chosen.replace("{n}", count) : "";
    const all = this.querySelector("[data-select-all]");
    if (all) {
      all.checked = count > 0 && count === boxes.length;
      all.indeterminate = count > 0 && count < boxes.length;
    }
  }
}

customElements.define("data-tab", DataTab);

const agreed = new WeakSet();
document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("button[data-ask]");
  if (!button || agreed.has(button)) return;
  event.preventDefault();
  const { ask: title, askDetail: detail, askLabel: label } = button.dataset;
  if (!(await ask({ title, detail, label, danger: true }))) return;
  agreed.add(button);
  button.form.requestSubmit(button);
  agreed.delete(button);
});
