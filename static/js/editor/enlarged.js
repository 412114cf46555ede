// One image of a grid as large as the window. The grid stays as it is behind it: Esc leads back, the arrow keys to the
// images beside it, and a class key is for the image that is seen.

import { byId, say } from "./dom.js";
import { renditionUrl, stepFor } from "./renditions.js";

export class Enlarged {
  /** `view` has `assignments`, `chipsOf(id)` and `pick`. */
  constructor(view, { ratio }) {
    this.view = view;
    this.ratio = ratio;
    this.id = null;
    this.dialog = byId("enlarge-dialog");
    byId("enlarge-next").addEventListener("click", () => this.step(1));
    byId("enlarge-previous").addEventListener("click", () => this.step(-1));
    this.dialog.addEventListener("close", () => (this.id = null));
  }

  get isOpen() {
    return this.dialog.open;
  }

  open(id) {
    this.id = id;
    const index = this.view.assignments.findIndex((one) => one.id === id);
    const { item } = this.view.assignments[index];
    const image = byId("enlarge-image");
    image.src = renditionUrl(item, { side: stepFor(Math.max(innerWidth, innerHeight) * this.ratio) });
    image.alt = say("image_n", { n: index + 1, name: item.name });
    byId("enlarge-title").textContent = `${index + 1} / ${this.view.assignments.length} · ${item.name}`;
    this.refresh();
    if (!this.dialog.open) this.dialog.showModal();
  }

  close() {
    if (this.dialog.open) this.dialog.close();
  }

  refresh() {
    if (this.id === null) return;
    byId("enlarge-chips").replaceChildren(...this.view.chipsOf(this.id));
  }

  step(by) {
    const { assignments } = this.view;
    const at = assignments.findIndex((one) => one.id === this.id);
    this.open(assignments[(at + by + assignments.length) % assignments.length].id);
  }

  /** A class key while it is open. */
  pick(classId) {
    this.view.pick(classId, { ids: [this.id], isRest: false });
  }
}
