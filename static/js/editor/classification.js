// The page of a classification project: one image with zoom, or a grid of up to nine. One store holds the classes of the
// whole page, so undo works across it. An entry is {id, assignment, label_class}, or {id, assignment, skipped, skip_reason}
// for an image that is skipped.

import { byId, element, icon, newId, say } from "./dom.js";
import { pictureFor } from "./pictures.js";
import { renditionUrl, stepFor } from "./renditions.js";
import { Store } from "./store.js";

export class ClassificationView extends EventTarget {
  /** `multiple`: several classes an image. Emits "change" when what would be submitted changes. */
  constructor({ multiple, stage, tags, page }) {
    super();
    this.multiple = multiple;
    this.stage = stage;
    this.tags = tags;
    this.page = page;
    this.grid = byId("grid");
    this.chips = byId("page-chips");
    this.assignments = [];
    this.selected = new Set();
    this.tiles = new Map();
    this.store = new Store();
    byId("enlarge-next").addEventListener("click", () => this.#enlargeNext(1));
    byId("enlarge-previous").addEventListener("click", () => this.#enlargeNext(-1));
  }

  get isGrid() {
    return this.assignments.length > 1;
  }

  /** Opens a page of images with these classes; resolves when the images show. */
  open(assignments, answers) {
    this.assignments = assignments;
    this.selected = new Set(assignments.length === 1 ? [assignments[0].id] : []);
    const annotations = assignments.flatMap((one) => answers.get(one.id).map((entry) => ({ ...entry, assignment: one.id })));
    this.store = new Store({ annotations });
    this.store.addEventListener("change", ({ detail }) => {
      this.refresh();
      this.dispatchEvent(new CustomEvent("change", { detail })); // each annotation says which assignment is its own
    });
    this.stage.root.hidden = this.isGrid;
    this.chips.hidden = this.isGrid;
    this.grid.hidden = !this.isGrid;
    this.tiles.clear();
    this.grid.dataset.count = assignments.length <= 4 ? "4" : assignments.length <= 6 ? "6" : "9";
    this.grid.replaceChildren(...(this.isGrid ? assignments.map((one, i) => this.#tile(one, i)) : []));
    this.refresh();
    if (this.isGrid) {
      this.stage.close();
      return Promise.all([...this.tiles.values()].map((tile) => tile.loaded));
    }
    this.stage.setPanning(true);
    return this.stage.open(assignments[0].item);
  }

  #tileUrl(item, count) {
    return renditionUrl(item, { side: stepFor((this.grid.parentElement.clientWidth / (count <= 4 ? 2 : 3)) * this.stage.ratio) });
  }

  /** Addresses of the pictures of a page that is not open yet. */
  picturesOf(assignments) {
    if (assignments.length === 1) return [this.stage.firstUrl(assignments[0].item)];
    return assignments.map((one) => this.#tileUrl(one.item, assignments.length));
  }

  close() {
    this.assignments = [];
    this.selected.clear();
    this.tiles.clear();
    this.store = new Store();
    this.grid.replaceChildren();
    this.chips.replaceChildren();
    this.stage.close();
    this.refresh();
  }

  answers() {
    return new Map(this.assignments.map(({ id }) => [id, this.#entries(id).map(({ assignment: _page, ...entry }) => entry)]));
  }

  #entries(id) {
    return this.store.annotations.filter((one) => one.assignment === id);
  }

  /** Why the page cannot be submitted, as the key of a sentence, or null. */
  problem() {
    return this.assignments.every(({ id }) => this.#entries(id).length) ? null : "page_incomplete";
  }

  get hasEdits() {
    return this.store.canUndo;
  }

  #tile(assignment, index) {
    const { item } = assignment;
    const image = pictureFor(this.#tileUrl(item, this.assignments.length));
    Object.assign(image, { alt: "", draggable: false, width: item.width, height: item.height });
    const select = element(
      "button",
      { type: "button", className: "tile-select", data: { enterSubmits: "" }, attrs: { "aria-pressed": "false", "aria-label": say("image_n", { n: index + 1, name: item.name }) } },
      image,
      element("span", { className: "tile-check", attrs: { "aria-hidden": "true" } }, icon("check")),
    );
    select.addEventListener("click", () => this.toggle(assignment.id));
    const label = say("enlarge_n", { n: index + 1 });
    const enlarge = element("button", { type: "button", className: "tile-enlarge", title: label, attrs: { "aria-label": label } }, icon("expand"));
    enlarge.addEventListener("click", () => this.enlarge(index));
    const chips = element("div", { className: "chips" });
    const foot = element("div", { className: "tile-foot" }, element("span", { className: "tile-name", textContent: item.name, title: item.path }), chips);
    if (assignment.rejection) {
      const { comment } = assignment.rejection;
      foot.append(element("p", { className: "tile-comment", textContent: comment ? say("rejected_with", { comment }) : say("rejected") }));
    }
    const node = element("li", { className: "tile" }, select, enlarge, foot);
    const loaded = image.decode().catch(() => {
      select.classList.add("is-broken");
      select.append(element("span", { className: "tile-broken", textContent: say("image_failed") }));
    });
    this.tiles.set(assignment.id, { node, select, chips, loaded });
    return node;
  }

  /** Brings tiles, chips and the tags panel up to date. */
  refresh() {
    for (const [id, tile] of this.tiles) {
      const isSelected = this.selected.has(id);
      tile.select.setAttribute("aria-pressed", String(isSelected));
      tile.node.classList.toggle("is-selected", isSelected);
      tile.node.classList.toggle("is-answered", this.#entries(id).length > 0);
      tile.chips.replaceChildren(...this.#chipsOf(id));
    }
    if (this.assignments.length === 1) {
      const chips = this.#chipsOf(this.assignments[0].id);
      this.chips.replaceChildren(...(chips.length ? chips : [element("span", { className: "no-tag", textContent: say("no_tag") })]));
    }
    const counts = new Map();
    for (const one of this.store.annotations) {
      if (!one.skipped) counts.set(one.label_class, (counts.get(one.label_class) ?? 0) + 1);
    }
    this.tags.show({ active: this.#sharedClasses(), counts });
    const all = this.assignments.length > 0 && this.selected.size === this.assignments.length;
    byId("select-all").disabled = !this.isGrid;
    byId("select-all").setAttribute("aria-pressed", String(all && this.isGrid));
    byId("tool-undo").disabled = !this.store.canUndo;
    byId("tool-redo").disabled = !this.store.canRedo;
    this.page.refresh();
  }

  /** Classes that every selected image has. */
  #sharedClasses() {
    const sets = [...this.selected].map((id) => new Set(this.#entries(id).map((one) => one.label_class)));
    return new Set(sets.length ? [...sets[0]].filter((one) => one && sets.every((set) => set.has(one))) : []);
  }

  #chipsOf(id) {
    return this.#entries(id).map((entry) => {
      const name = entry.skipped ? say("skipped") : this.tags.nameOf(entry.label_class);
      const label = say("remove_tag", { name });
      const remove = element("button", { type: "button", className: "chip-x", title: label, attrs: { "aria-label": label } }, icon("close"));
      remove.addEventListener("click", () => this.store.remove([entry.id]));
      const dot = entry.skipped ? icon("skip") : element("span", { className: "dot", data: { colour: this.tags.colourOf(entry.label_class) } });
      const title = entry.skip_reason ? `${name}: ${entry.skip_reason}` : name;
      return element("span", { className: "chip", title }, dot, element("span", { className: "chip-name", textContent: name }), remove);
    });
  }

  // --- Actions ---

  toggle(id) {
    if (this.selected.has(id)) this.selected.delete(id);
    else this.selected.add(id);
    this.refresh();
  }

  selectAll() {
    if (!this.isGrid) return false;
    const all = this.selected.size === this.assignments.length;
    this.selected = new Set(all ? [] : this.assignments.map((one) => one.id));
    this.refresh();
    return true;
  }

  /** A class was chosen: it goes to the selected images. */
  pick(classId) {
    this.page.hideHint();
    if (!this.assignments.length) return;
    if (!this.selected.size) {
      this.page.show(say("select_first"));
      return;
    }
    const targets = [...this.selected];
    const name = this.tags.nameOf(classId);
    const has = (id) => this.#entries(id).some((one) => one.label_class === classId);
    const entry = (assignment) => ({ id: newId(), assignment, label_class: classId });
    if (!this.multiple) {
      const change = targets.filter((id) => !has(id));
      this.store.swap(change.flatMap((id) => this.#entries(id).map((one) => one.id)), change.map(entry));
      this.page.say(say("tag_set", { name, n: targets.length }));
    } else if (targets.every(has)) {
      this.store.remove(targets.flatMap((id) => this.#entries(id).filter((one) => one.label_class === classId).map((one) => one.id)));
      this.page.say(say("tag_removed", { name, n: targets.length }));
    } else {
      const change = targets.filter((id) => !has(id));
      const skips = change.flatMap((id) => this.#entries(id).filter((one) => one.skipped).map((one) => one.id));
      this.store.swap(skips, change.map(entry));
      this.page.say(say("tag_set", { name, n: targets.length }));
    }
    if (this.multiple && this.isGrid) this.selected.clear();
    this.refresh();
  }

  /** In a grid: marks the selected images as skipped. False for a single image, whose page is skipped as a whole. */
  skip(reason) {
    if (!this.isGrid) return false;
    if (!this.selected.size) {
      this.page.show(say("select_to_skip"));
      return true;
    }
    const targets = [...this.selected];
    const entries = targets.map((assignment) => ({ id: newId(), assignment, skipped: true, skip_reason: reason }));
    this.store.swap(targets.flatMap((id) => this.#entries(id).map((one) => one.id)), entries);
    this.selected.clear();
    this.page.say(say("skip_set", { n: targets.length }));
    this.refresh();
    return true;
  }

  undo() {
    return this.store.undo();
  }

  redo() {
    return this.store.redo();
  }

  /** Esc: takes the selection away. */
  cancel() {
    if (!this.isGrid || !this.selected.size) return false;
    this.selected.clear();
    this.refresh();
    return true;
  }

  /** Arrow keys walk over the grid. */
  nudge(dx, dy) {
    if (!this.isGrid) return false;
    const buttons = [...this.tiles.values()].map((tile) => tile.select);
    const columns = getComputedStyle(this.grid).gridTemplateColumns.split(" ").length;
    const at = buttons.indexOf(document.activeElement);
    const next = at < 0 ? 0 : at + Math.sign(dx) + Math.sign(dy) * columns;
    buttons[next]?.focus();
    return true;
  }

  /** Shows one image of the grid large, without leaving the grid. */
  enlarge(index) {
    this.enlarged = index;
    const { item } = this.assignments[index];
    const image = byId("enlarge-image");
    image.src = renditionUrl(item, { side: stepFor(Math.max(innerWidth, innerHeight) * this.stage.ratio) });
    image.alt = item.name;
    byId("enlarge-title").textContent = item.name;
    const dialog = byId("enlarge-dialog");
    if (!dialog.open) dialog.showModal();
  }

  #enlargeNext(step) {
    this.enlarge((this.enlarged + step + this.assignments.length) % this.assignments.length);
  }
}
