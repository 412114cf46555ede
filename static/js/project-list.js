// <project-list>: keeps which projects are ticked while the live panel inside is redrawn, and asks before deleting.
import { ask } from "./confirm.js";

class ProjectList extends HTMLElement {
  connectedCallback() {
    this.chosen = new Set();
    this.addEventListener("change", (event) => this.changed(event));
    this.addEventListener("click", (event) => this.clicked(event));
    // Fragments replace the rows; what was ticked stays ticked.
    new MutationObserver(() => this.restore()).observe(this, { childList: true, subtree: true });
    this.restore();
  }

  get boxes() {
    return [...this.querySelectorAll('input[name="projects"]')];
  }

  changed(event) {
    const box = event.target;
    if (box.matches("[data-select-all]")) {
      for (const one of this.boxes) one.checked = box.checked;
    } else if (box.name !== "projects") {
      if (box.matches("[data-submit-on-change]")) box.form.requestSubmit();
      return;
    }
    this.chosen = new Set(this.boxes.filter((one) => one.checked).map((one) => one.value));
    this.show();
  }

  restore() {
    const before = this.chosen;
    this.chosen = new Set();
    for (const box of this.boxes) {
      box.checked = box.checked || before.has(box.value);
      if (box.checked) this.chosen.add(box.value);
    }
    this.show();
  }

  show() {
    const count = this.chosen.size;
    for (const button of this.querySelectorAll("[data-needs-choice]")) {
      if (button.disabled !== (count === 0)) button.disabled = count === 0;
    }
    const note = this.querySelector("[data-chosen]");
    const text = count ? note?.dataset.chosen.replace("{n}", count) : "";
    if (note && note.textContent !== text) note.textContent = text;
    const all = this.querySelector("[data-select-all]");
    if (all) {
      all.checked = count > 0 && count === this.boxes.length;
      all.indeterminate = count > 0 && count < this.boxes.length;
    }
  }

  async clicked(event) {
    const button = event.target.closest("[data-ask]");
    if (!button || button.dataset.agreed) return;
    event.preventDefault();
    const yes = await ask({
      title: this.chosen.size === 1 ? button.dataset.askOne : button.dataset.ask.replace("{n}", this.chosen.size),
      detail: button.dataset.askDetail,
      label: button.dataset.askLabel,
      danger: true,
    });
    if (!yes) return;
    button.dataset.agreed = "1";
    button.form.requestSubmit(button);
    delete button.dataset.agreed;
  }
}

customElements.define("project-list", ProjectList);
