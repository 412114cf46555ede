// The annotations of one item while it is open: what is there, what is selected, what can be undone. Emits "change"
// (annotations), "select" and "view" (locks, what is hidden, frame); knows nothing of the page or the network.
//
// "change" carries `detail: {operation, source}`: the operation as it was applied to the list (for an undo that is the
// inverse of the edit) and where it came from, "edit", "undo" or "redo". Applied one after the other to what the store
// began with, these operations give its annotations.

import { adding, apply, inverse, joined, removing, reordering, replacing } from "./operations.js";
import { Visibility } from "./visibility.js";

const JOIN_WITHIN_MS = 900;

export class Store extends EventTarget {
  /** `size` is {width, height} of the item; `annotations` in drawing order, as in the API. */
  constructor({ size = { width: 1, height: 1 }, annotations = [], now = () => Date.now() } = {}) {
    super();
    this.size = size;
    this.annotations = annotations;
    this.byId = new Map(annotations.map((one) => [one.id, one]));
    this.selectedIds = new Set();
    this.frame = 0;
    this.view = new Visibility();
    this.newest = null;
    this.now = now;
    this.done = [];
    this.undone = [];
    this.lastJoin = { key: null, at: 0 };
  }

  get(id) {
    return this.byId.get(id) ?? null;
  }

  // --- What is seen, what may be changed ---

  /** What is drawn and can be hit: this frame, nothing hidden; in drawing order. The same list until something changes. */
  get visible() {
    const { annotations, frame, view } = this;
    if (this.seen?.annotations !== annotations || this.seen.frame !== frame || this.seen.version !== view.version) {
      this.seen = { annotations, frame, version: view.version, list: annotations.filter((one) => this.isVisible(one)) };
    }
    return this.seen.list;
  }

  isVisible(annotation) {
    return (annotation.frame ?? 0) === this.frame && !this.view.isHidden(annotation) && !this.view.isVeiled(annotation);
  }

  /** While everything is locked, only the newest annotation of this sitting may be changed. */
  canEdit(id) {
    const one = this.get(id);
    return (!this.view.locked || id === this.newest) && !(one && this.view.isLocked(one));
  }

  get locked() {
    return this.view.locked;
  }

  /** Changes what is hidden or locked: `change` gets the Visibility. */
  look(change) {
    change(this.view);
    this.view.version += 1;
    if ([...this.selectedIds].some((id) => !this.#isSelectable(id))) this.selectAll([...this.selectedIds].filter((id) => this.#isSelectable(id)));
    this.#emit("view");
  }

  #isSelectable(id) {
    const one = this.get(id);
    return one !== null && this.isVisible(one);
  }

  setLocked(locked) {
    this.look((view) => (view.locked = locked));
  }

  setHidden(classId, hidden) {
    this.look((view) => view.hideClass(classId, hidden));
  }

  setFrame(frame) {
    this.frame = frame;
    this.look(() => {});
  }

  // --- Selection ---

  /** The id selected last, or null. */
  get selected() {
    return [...this.selectedIds].at(-1) ?? null;
  }

  /** The only selected annotation; null where none or several are. */
  get selection() {
    return this.selectedIds.size === 1 ? this.get(this.selected) : null;
  }

  /** All selected annotations, in drawing order. */
  get chosen() {
    return this.selectedIds.size ? this.annotations.filter((one) => this.selectedIds.has(one.id)) : [];
  }

  select(id) {
    this.selectAll(id === null ? [] : [id]);
  }

  selectAll(ids) {
    if (ids.length === this.selectedIds.size && ids.every((id) => this.selectedIds.has(id))) return;
    this.selectedIds = new Set(ids);
    this.#emit("select");
  }

  /** Adds one to the selection, or takes it away. */
  toggle(id) {
    this.selectAll(this.selectedIds.has(id) ? [...this.selectedIds].filter((one) => one !== id) : [...this.selectedIds, id]);
  }

  /** Steps through what is visible, 1 forward or -1 back, round the end. */
  selectNext(step) {
    const { visible } = this;
    if (!visible.length) return;
    const at = visible.findIndex((one) => one.id === this.selected);
    const next = at < 0 ? (step > 0 ? 0 : visible.length - 1) : (at + step + visible.length) % visible.length;
    this.select(visible[next].id);
  }

  // --- Edits ---

  add(annotations, { select = true } = {}) {
    this.newest = annotations.at(-1)?.id ?? this.newest;
    this.commit(adding(this.annotations, annotations));
    if (select && annotations.length) this.selectAll(annotations.map((one) => one.id));
  }

  /** Takes some out and puts others in, as one undo step. */
  swap(ids, annotations) {
    const out = removing(this.annotations, ids);
    this.commit([...out, ...adding(apply(this.annotations, out), annotations)]);
  }

  /** New values for existing annotations and further ones on top, as one undo step. */
  divide(replaced, added) {
    this.commit([...replacing(this.annotations, replaced), ...adding(this.annotations, added)]);
  }

  /** A new value for one annotation, which takes in the others; they lie above it and go. One undo step. */
  absorb(annotation, ids) {
    this.commit([...replacing(this.annotations, [annotation]), ...removing(this.annotations, ids)]);
  }

  remove(ids) {
    this.commit(removing(this.annotations, ids));
  }

  /** New values for existing annotations. Edits with the same `join` key in quick succession become one undo step. */
  replace(annotations, { join = null } = {}) {
    this.commit(replacing(this.annotations, annotations), join);
  }

  /** Moves annotations directly above another in the drawing order, or below all where `above` is null. */
  reorder(ids, above) {
    this.commit(reordering(this.annotations, ids, above));
  }

  commit(operation, join = null) {
    if (!operation.length) return;
    const at = this.now();
    this.annotations = apply(this.annotations, operation);
    const quick = join !== null && this.lastJoin.key === join && at - this.lastJoin.at < JOIN_WITHIN_MS;
    const both = quick && this.done.length ? joined(this.done.at(-1), operation) : null;
    if (both) this.done[this.done.length - 1] = both;
    else this.done.push(operation);
    this.lastJoin = { key: join, at };
    this.undone = [];
    this.#changed(operation, "edit");
  }

  /** The last edit that counts now, or null: a moment to which undo and redo can come back. */
  get lastEdit() {
    return this.done.at(-1) ?? null;
  }

  get canUndo() {
    return this.done.length > 0;
  }

  get canRedo() {
    return this.undone.length > 0;
  }

  /** Takes the last step back; false when there is none. */
  undo() {
    return this.#step(this.done, this.undone, "undo");
  }

  redo() {
    return this.#step(this.undone, this.done, "redo");
  }

  #step(from, to, source) {
    const operation = from.pop();
    if (!operation) return false;
    const applied = source === "undo" ? inverse(operation) : operation;
    this.annotations = apply(this.annotations, applied);
    to.push(operation);
    this.lastJoin = { key: null, at: 0 };
    this.#changed(applied, source);
    return true;
  }

  #changed(operation, source) {
    for (const { id, after } of operation) {
      if (after === null) this.byId.delete(id);
      else this.byId.set(id, after);
    }
    const left = [...this.selectedIds].filter((id) => this.get(id));
    if (left.length < this.selectedIds.size) this.selectAll(left);
    this.#emit("change", { operation, source });
  }

  #emit(type, detail = null) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
