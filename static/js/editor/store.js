// The annotations of one item while it is open: what is there, what is selected, what can be undone. Emits "change"
// (annotations), "select" and "view" (lock, hidden classes, frame); knows nothing of the page or the network.
//
// "change" carries `detail: {operation, source}`: the operation as it was applied to the list (for an undo that is the
// inverse of the edit) and where it came from, "edit", "undo" or "redo". Applied one after the other to what the store
// began with, these operations give its annotations.

import { adding, apply, inverse, joined, removing, replacing } from "./operations.js";

const JOIN_WITHIN_MS = 900;

export class Store extends EventTarget {
  /** `size` is {width, height} of the item; `annotations` in drawing order, as in the API. */
  constructor({ size = { width: 1, height: 1 }, annotations = [], now = () => Date.now() } = {}) {
    super();
    this.size = size;
    this.annotations = annotations;
    this.selected = null;
    this.frame = 0;
    this.locked = false;
    this.hidden = new Set();
    /** Whether an annotation is kept out of sight for a reason of the page's own, as a suggestion that is too unsure. */
    this.isVeiled = () => false;
    this.newest = null;
    this.now = now;
    this.done = [];
    this.undone = [];
    this.lastJoin = { key: null, at: 0 };
  }

  get(id) {
    return this.annotations.find((one) => one.id === id) ?? null;
  }

  /** The selected annotation where it can be seen, else null. */
  get selection() {
    const one = this.selected === null ? null : this.get(this.selected);
    return one && this.isVisible(one) ? one : null;
  }

  /** What is drawn and can be hit: this frame, classes that are not hidden; in drawing order. */
  get visible() {
    return this.annotations.filter((one) => this.isVisible(one));
  }

  isVisible(annotation) {
    return (annotation.frame ?? 0) === this.frame && !this.hidden.has(annotation.label_class) && !this.isVeiled(annotation);
  }

  /** While locked, only the newest annotation of this sitting may be changed. */
  canEdit(id) {
    return !this.locked || id === this.newest;
  }

  add(annotations, { select = true } = {}) {
    this.newest = annotations.at(-1)?.id ?? this.newest;
    this.commit(adding(this.annotations, annotations));
    if (select && annotations.length) this.select(annotations.at(-1).id);
  }

  /** Takes some out and puts others in, as one undo step. */
  swap(ids, annotations) {
    const out = removing(this.annotations, ids);
    this.commit([...out, ...adding(apply(this.annotations, out), annotations)]);
  }

  remove(ids) {
    this.commit(removing(this.annotations, ids));
  }

  /** New values for existing annotations. Edits with the same `join` key in quick succession become one undo step. */
  replace(annotations, { join = null } = {}) {
    this.commit(replacing(this.annotations, annotations), join);
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

  select(id) {
    if (id === this.selected) return;
    this.selected = id;
    this.#emit("select");
  }

  /** Steps through what is visible, 1 forward or -1 back, round the end. */
  selectNext(step) {
    const visible = this.visible;
    if (!visible.length) return;
    const at = visible.findIndex((one) => one.id === this.selected);
    const next = at < 0 ? (step > 0 ? 0 : visible.length - 1) : (at + step + visible.length) % visible.length;
    this.select(visible[next].id);
  }

  setLocked(locked) {
    this.locked = locked;
    this.#emit("view");
  }

  setHidden(classId, hidden) {
    if (hidden) this.hidden.add(classId);
    else this.hidden.delete(classId);
    if (!this.selection) this.select(null);
    this.#emit("view");
  }

  setFrame(frame) {
    this.frame = frame;
    if (!this.selection) this.select(null);
    this.#emit("view");
  }

  #changed(operation, source) {
    if (this.selected !== null && !this.get(this.selected)) this.select(null);
    this.#emit("change", { operation, source });
  }

  #emit(type, detail = null) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
