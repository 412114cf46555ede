// The page of a classification project: one image with zoom, or a grid. One store holds the classes of the whole page,
// so undo works across it. An entry is {id, assignment, label_class}, with {suggested, confidence} while it is a model's
// suggestion, or {id, assignment, skipped, skip_reason} for an image that is skipped.

import { byId, element, icon, newId, say } from "./dom.js";
import { Enlarged } from "./enlarged.js";
import { percent, Prelabels } from "./prelabels.js";
import { Store } from "./store.js";
import { Tiles } from "./tiles.js";

export class ClassificationView extends EventTarget {
  /** `multiple`: several classes an image. Emits "change" when what would be submitted changes. */
  constructor({ multiple, stage, tags, page, projectId }) {
    super();
    this.multiple = multiple;
    this.stage = stage;
    this.tags = tags;
    this.page = page;
    this.chips = byId("page-chips");
    this.assignments = [];
    this.selected = new Set();
    this.hasTagged = false;
    this.store = new Store();
    this.prelabels = new Prelabels(projectId, page, { onThreshold: () => this.refresh() });
    this.tiles = new Tiles({
      ratio: stage.ratio,
      onToggle: (id) => this.toggle(id),
      onEnlarge: (id) => this.enlarged.open(id),
      onAim: () => this.refresh(),
    });
    this.enlarged = new Enlarged(this, { ratio: stage.ratio });
  }

  get isGrid() {
    return this.assignments.length > 1;
  }

  /** Opens a page of images with these classes; resolves when the images show. */
  open(assignments, answers) {
    this.assignments = assignments;
    this.selected = new Set(assignments.length === 1 ? [assignments[0].id] : []);
    this.hasTagged = false;
    this.prelabels.open(assignments, { single: !this.multiple });
    const annotations = assignments.flatMap((one) =>
      this.prelabels.adopt(answers.get(one.id)).map((entry) => ({ ...entry, assignment: one.id })),
    );
    this.store = new Store({ annotations });
    this.store.addEventListener("change", ({ detail }) => {
      this.refresh();
      this.dispatchEvent(new CustomEvent("change", { detail })); // each annotation says which assignment is its own
    });
    this.stage.root.hidden = this.isGrid;
    this.chips.hidden = this.isGrid;
    const loaded = this.tiles.open(this.isGrid ? assignments : []);
    this.refresh();
    if (this.isGrid) {
      this.stage.close();
      return loaded;
    }
    this.stage.setPanning(true);
    return this.stage.open(assignments[0].item);
  }

  /** Addresses of the pictures of a page that is not open yet. */
  picturesOf(assignments) {
    if (assignments.length === 1) return [this.stage.firstUrl(assignments[0].item)];
    return assignments.map((one) => this.tiles.urlOf(one.item, assignments.length));
  }

  close() {
    this.assignments = [];
    this.selected.clear();
    this.store = new Store();
    this.enlarged.close();
    this.tiles.open([]);
    this.chips.replaceChildren();
    this.stage.close();
    this.prelabels.open([], {});
    this.refresh();
  }

  /** Assignment id → entries, as they would be submitted; untouched suggestions are marked. */
  answers() {
    const sent = this.prelabels.sent(this.store.annotations);
    return new Map(
      this.assignments.map(({ id }) => [
        id,
        sent.filter((one) => one.assignment === id).map(({ assignment: _page, ...entry }) => entry),
      ]),
    );
  }

  /** The entries of an image that are shown. */
  entries(id) {
    return this.store.annotations.filter((one) => one.assignment === id && !this.prelabels.isVeiled(one));
  }

  /** Why the page cannot be submitted, as the key of a sentence, or null. */
  problem() {
    return this.assignments.every(({ id }) => this.entries(id).length) ? null : "page_incomplete";
  }

  get hasEdits() {
    return this.store.canUndo;
  }

  /** The image that a comment would be about: the only one, or the one aimed at, selected or first. */
  get current() {
    const id = this.tiles.aimed ?? [...this.selected][0];
    return this.assignments.find((one) => one.id === id) ?? this.assignments[0] ?? null;
  }

  // --- Showing ---

  /** Brings tiles, chips and the tags panel up to date. */
  refresh() {
    for (const { id } of this.isGrid ? this.assignments : []) {
      const entries = this.entries(id);
      this.tiles.show(id, {
        isSelected: this.selected.has(id),
        isAnswered: entries.some((one) => !this.prelabels.isPending(one)),
        isSuggested: entries.length > 0 && entries.every((one) => this.prelabels.isPending(one)),
        chips: this.chipsOf(id),
        words: entries.length ? entries.map((one) => this.#word(one)) : [say("no_tag")],
      });
    }
    if (this.assignments.length === 1) {
      const chips = this.chipsOf(this.assignments[0].id);
      this.chips.replaceChildren(...(chips.length ? chips : [element("span", { className: "no-tag", textContent: say("no_tag") })]));
    }
    this.enlarged.refresh();
    const counts = new Map();
    for (const one of this.store.annotations) {
      if (!one.skipped && !this.prelabels.isVeiled(one)) counts.set(one.label_class, (counts.get(one.label_class) ?? 0) + 1);
    }
    this.tags.show({ active: this.#sharedClasses(), counts });
    this.prelabels.show(this.store);
    const all = this.assignments.length > 0 && this.selected.size === this.assignments.length;
    byId("select-all").disabled = !this.isGrid;
    byId("select-all").setAttribute("aria-pressed", String(all && this.isGrid));
    byId("tool-undo").disabled = !this.store.canUndo;
    byId("tool-redo").disabled = !this.store.canRedo;
    this.page.refresh();
  }

  /** Classes that every selected image, or the one aimed at, has. */
  #sharedClasses() {
    const ids = this.selected.size ? [...this.selected] : this.tiles.aimed === null ? [] : [this.tiles.aimed];
    const sets = ids.map((id) => new Set(this.entries(id).map((one) => one.label_class)));
    return new Set(sets.length ? [...sets[0]].filter((one) => one && sets.every((set) => set.has(one))) : []);
  }

  /** An entry in words. */
  #word(entry) {
    if (entry.skipped) return say("skipped");
    const name = this.tags.nameOf(entry.label_class);
    return this.prelabels.isPending(entry) ? say("suggested_n", { name, percent: percent(entry.confidence) }) : name;
  }

  chipsOf(id) {
    return this.entries(id).map((entry) => {
      const isPending = this.prelabels.isPending(entry);
      const name = entry.skipped ? say("skipped") : this.tags.nameOf(entry.label_class);
      const label = say(isPending ? "dismiss_tag" : "remove_tag", { name });
      const remove = element("button", { type: "button", className: "chip-x", title: label, attrs: { "aria-label": label } }, icon("close"));
      remove.addEventListener("click", () => this.store.remove([entry.id]));
      const dot = entry.skipped ? icon("skip") : element("span", { className: "dot", data: { colour: this.tags.colourOf(entry.label_class) } });
      const title = entry.skip_reason ? `${name}: ${entry.skip_reason}` : this.#word(entry);
      const text = element("span", { className: "chip-name", textContent: name });
      const sure = isPending ? element("span", { className: "chip-sure", textContent: percent(entry.confidence) }) : null;
      return element("span", { className: isPending ? "chip is-suggested" : "chip", title }, dot, text, sure, remove);
    });
  }

  // --- Choosing images ---

  /** Selects an image or lets it go. The first one after a class was given begins a new selection. */
  toggle(id) {
    const isFresh = this.hasTagged && !(this.selected.size === 1 && this.selected.has(id));
    if (isFresh) this.selected.clear();
    this.hasTagged = false;
    if (this.selected.has(id)) this.selected.delete(id);
    else this.selected.add(id);
    this.tiles.spendAim();
    this.refresh();
  }

  selectAll() {
    if (!this.isGrid) return false;
    const all = this.selected.size === this.assignments.length;
    this.selected = new Set(all ? [] : this.assignments.map((one) => one.id));
    this.hasTagged = false;
    this.refresh();
    return true;
  }

  /** Which images a class key is for: the selected ones, else the one aimed at, else all that nobody has answered. */
  #targets() {
    if (this.selected.size) return { ids: [...this.selected], isRest: false };
    if (this.tiles.aimed !== null) return { ids: [this.tiles.aimed], isRest: false };
    const open = this.multiple
      ? this.assignments
      : this.assignments.filter(({ id }) => this.entries(id).every((one) => this.prelabels.isPending(one)));
    return { ids: open.map((one) => one.id), isRest: true };
  }

  // --- Actions ---

  /** A class was chosen. True when it went to the single image, or to all the rest of a grid. */
  pick(classId, targets = this.#targets()) {
    this.page.hideHint();
    if (!this.assignments.length) return false;
    if (!targets.ids.length) {
      this.page.show(say("select_first"));
      return false;
    }
    if (this.multiple) this.#toggleClass(classId, targets.ids);
    else this.#setClass(classId, targets.ids);
    this.hasTagged = true;
    if (!this.multiple) this.tiles.spendAim();
    else if (this.isGrid) this.selected.clear();
    this.refresh();
    return !this.isGrid || targets.isRest;
  }

  #entry(assignment, label_class) {
    return { id: newId(), assignment, label_class };
  }

  #all(ids) {
    const wanted = new Set(ids);
    return this.store.annotations.filter((one) => wanted.has(one.assignment));
  }

  /** One class an image. A suggestion of just this class is accepted, whatever else is there is replaced. */
  #setClass(classId, ids) {
    const kept = this.#all(ids).filter((one) => one.label_class === classId);
    const has = new Set(kept.map((one) => one.assignment));
    const out = this.#all(ids).filter((one) => !has.has(one.assignment));
    this.prelabels.accept(this.store, kept.filter((one) => this.prelabels.isPending(one)));
    this.store.swap(out.map((one) => one.id), ids.filter((id) => !has.has(id)).map((id) => this.#entry(id, classId)));
    this.page.say(say("tag_set", { name: this.tags.nameOf(classId), n: ids.length }));
  }

  /** Several classes an image: gives it to those that lack it; where all have it, takes it away. */
  #toggleClass(classId, ids) {
    const name = this.tags.nameOf(classId);
    const theirs = this.#all(ids).filter((one) => one.label_class === classId);
    const isPending = (one) => this.prelabels.isPending(one);
    const has = new Set(theirs.map((one) => one.assignment));
    if (theirs.length && !theirs.some(isPending) && has.size === ids.length) {
      this.store.remove(theirs.map((one) => one.id));
      this.page.say(say("tag_removed", { name, n: ids.length }));
      return;
    }
    this.prelabels.accept(this.store, theirs.filter(isPending));
    const change = ids.filter((id) => !has.has(id));
    const skips = this.#all(change).filter((one) => one.skipped);
    this.store.swap(skips.map((one) => one.id), change.map((id) => this.#entry(id, classId)));
    this.page.say(say("tag_set", { name, n: ids.length }));
  }

  /** In a grid: marks the selected images as skipped. False for a single image, whose page is skipped as a whole. */
  skip(reason) {
    if (!this.isGrid) return false;
    const targets = this.selected.size ? [...this.selected] : this.tiles.aimed === null ? [] : [this.tiles.aimed];
    if (!targets.length) {
      this.page.show(say("select_to_skip"));
      return true;
    }
    const entries = targets.map((assignment) => ({ id: newId(), assignment, skipped: true, skip_reason: reason }));
    this.store.swap(this.#all(targets).map((one) => one.id), entries);
    this.selected.clear();
    this.tiles.spendAim();
    this.page.say(say("skip_set", { n: targets.length }));
    this.refresh();
    return true;
  }

  /** Takes the suggestions up: of the selected images or the one aimed at, else of the whole page. */
  accept() {
    const { ids } = this.#targets();
    return this.prelabels.accept(this.store, this.prelabels.pending(this.selected.size || this.tiles.aimed !== null ? this.#all(ids) : this.store.annotations));
  }

  /** Before a page is sent: suggestions that are shown count as accepted. */
  settle() {
    this.prelabels.settle(this.store);
  }

  undo() {
    return this.store.undo();
  }

  redo() {
    return this.store.redo();
  }

  /** Esc: takes the aim and the selection away. */
  cancel() {
    const hadAim = this.tiles.dropAim();
    if (!this.isGrid || (!this.selected.size && !hadAim)) return false;
    this.selected.clear();
    this.refresh();
    return true;
  }

  /** Arrow keys walk over the grid. */
  nudge(dx, dy) {
    if (!this.isGrid) return false;
    this.tiles.walk(dx, dy);
    return true;
  }

  /** Shows the image that is aimed at, selected or first as large as the window, without leaving the grid. */
  enlarge() {
    if (!this.isGrid) return false;
    this.enlarged.open(this.current.id);
    return true;
  }
}
