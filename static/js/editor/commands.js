// What can be done with the selected annotations, by key, by the menu "Regions" and from the list beside the image. Every
// command says what it did, or why it did nothing.

import { Copies } from "./copies.js";
import { byId, say, storage } from "./dom.js";
import { boundsOf, insertVertex, movedTogether, overlap, removeVertex } from "./geometry.js";
import { united } from "./polygon_ops.js";
import { KeyboardHand } from "./keyboard_hand.js";

const SNAP_KEY = "tessera.snapping";

export class Commands {
  /** `desk` is the DrawingView. */
  constructor(desk, projectId) {
    this.desk = desk;
    this.hand = new KeyboardHand(desk);
    this.copies = new Copies(desk, projectId);
    desk.snapping = storage.get(SNAP_KEY) !== false;
    for (const button of document.querySelectorAll("[data-command]")) button.addEventListener("click", () => this.run(button.dataset.command));
    leaveNoFocus(byId("regions-menu"));
    this.showSwitches();
  }

  get store() {
    return this.desk.store;
  }

  /** Commands by the names of the menu and of the registry of keys. */
  #all = {
    duplicate: () => this.copies.duplicate(),
    copy: () => this.copies.copy(),
    paste: () => this.copies.paste(),
    repeat: () => this.copies.repeat(),
    select_all_objects: () => this.selectAll(),
    edit: () => this.desk.dialog.open(),
    join: () => this.join(),
    forward: () => this.raise(1),
    back: () => this.raise(-1),
    hide: () => this.hide(),
    hide_class: () => this.hideClass(),
    hide_all: () => this.hideAll(),
    lock_object: () => this.lock(),
    lock_class: () => this.lockClass(),
    delete: () => this.delete(),
    snap: () => this.setSnapping(!this.desk.snapping),
    patterns: () => this.desk.setPatterns(!this.desk.patterns.isOn),
    place: () => this.hand.place(),
  };

  get names() {
    return Object.keys(this.#all);
  }

  run(name) {
    return this.#all[name]();
  }

  /** The selected annotations that may be changed; says so where there are none. */
  #chosen() {
    const { chosen } = this.store;
    const free = chosen.filter(({ id }) => this.store.canEdit(id));
    if (!chosen.length) this.desk.tell("select_region");
    else if (!free.length) this.desk.tell("is_locked");
    return free;
  }

  // --- Changes ---

  delete() {
    const { desk, store, hand } = this;
    if (desk.tool.isDrawing) return desk.tool.undo();
    if (!store.selectedIds.size) return false;
    if (hand.grip?.vertex) return this.removeVertex(store.selection, hand.grip.vertex);
    const free = this.#chosen();
    if (!free.length) return true;
    store.remove(free.map((one) => one.id));
    desk.page.say(say("objects_deleted", { n: free.length }));
    return true;
  }

  /** Takes a point out. The last three of a hole or of one of several parts go together. */
  removeVertex(one, vertex) {
    const { part, hole } = vertex;
    let polygon = removeVertex(one.polygon, vertex);
    const { parts } = one.polygon;
    if (!polygon && hole >= 0) polygon = { parts: parts.map((each, p) => (p === part ? { ...each, holes: each.holes.filter((_, h) => h !== hole) } : each)) };
    else if (!polygon && parts.length > 1) polygon = { parts: parts.filter((_, p) => p !== part) };
    const after = polygon && this.desk.sound({ ...one, polygon });
    if (after) this.store.replace([after]);
    else this.desk.tell("needs_points");
    return true;
  }

  /** A new point in the middle of the edge after this one; returns its address. */
  insertVertex(one, vertex) {
    const { outer, holes } = one.polygon.parts[vertex.part];
    const ring = vertex.hole < 0 ? outer : holes[vertex.hole];
    const [a, b] = [ring[vertex.index], ring[(vertex.index + 1) % ring.length]];
    const polygon = insertVertex(one.polygon, vertex, [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2], this.store.size);
    this.store.replace([{ ...one, polygon }]);
    return { ...vertex, index: vertex.index + 1 };
  }

  /** Gives the selected annotations a class. */
  setClass(classId) {
    const free = this.#chosen().filter((one) => one.label_class !== classId);
    if (!free.length) return;
    this.store.replace(free.map((one) => ({ ...one, label_class: classId })));
    this.desk.page.say(say("class_changed", { name: this.desk.tags.nameOf(classId) }));
  }

  /** Moves the selected annotations, or the grip or crosshair that the keys hold. */
  nudge(dx, dy) {
    const { store } = this;
    if (this.hand.nudge(dx, dy)) return true;
    if (!store.selectedIds.size) return false;
    const free = this.#chosen();
    if (free.length) store.replace(movedTogether(free, dx, dy, store.size), { join: `nudge ${[...store.selectedIds].join()}` });
    return true;
  }

  /** Makes one object of the selected polygons of a class. */
  join() {
    const { desk, store } = this;
    const free = this.#chosen();
    const [first, ...others] = free;
    if (!first) return;
    if (!others.length) desk.tell("select_two");
    else if (others.some((one) => one.label_class !== first.label_class)) desk.tell("join_classes");
    else {
      const polygon = united(free.map((one) => one.polygon));
      store.absorb({ ...first, polygon }, others.map((one) => one.id));
      store.select(first.id);
      desk.tell("joined", { n: free.length, parts: polygon.parts.length });
    }
  }

  /** Moves the selected annotations above (1) or below (-1) the next one that they overlap. */
  raise(step) {
    const { desk, store } = this;
    const free = this.#chosen();
    if (!free.length) return;
    const own = new Set(free.map((one) => one.id));
    const places = store.annotations.map((one, i) => ({ one, i })).filter(({ one }) => !own.has(one.id) && store.isVisible(one));
    const ends = store.annotations.map((one, i) => (own.has(one.id) ? i : -1)).filter((i) => i >= 0);
    const meets = ({ one }) => free.some((other) => overlap(boundsOf(one), boundsOf(other)));
    const next = step > 0 ? places.find((place) => place.i > ends.at(-1) && meets(place)) : places.findLast((place) => place.i < ends[0] && meets(place));
    if (!next) desk.tell(step > 0 ? "is_front" : "is_back");
    else {
      const rest = store.annotations.filter((one) => !own.has(one.id));
      store.reorder([...own], step > 0 ? next.one.id : (rest[rest.indexOf(next.one) - 1]?.id ?? null));
      desk.tell(step > 0 ? "moved_forward" : "moved_back");
    }
  }

  // --- What is seen and what may be changed ---

  selectAll() {
    const { store, desk } = this;
    if (desk.tool.isDrawing) return;
    if (desk.isMaking) desk.setTool("move");
    store.selectAll(store.visible.map((one) => one.id));
    desk.page.say(say("selected", { n: store.selectedIds.size }));
  }

  /** Hides the selected annotations; with nothing selected, shows those that were hidden one by one. */
  hide() {
    const { store, desk } = this;
    const ids = [...store.selectedIds];
    const hidden = store.view.hiddenIds.size;
    if (!ids.length && !hidden) desk.tell("select_region");
    else {
      store.look((view) => (ids.length ? view.hide(ids, true) : view.hiddenIds.clear()));
      desk.tell(ids.length ? "hidden" : "shown", { n: ids.length || hidden });
    }
  }

  lock() {
    const { store, desk } = this;
    const { chosen } = store;
    if (!chosen.length) {
      desk.tell("select_region");
      return;
    }
    const locked = !chosen.every((one) => store.view.lockedIds.has(one.id));
    store.look((view) => view.lock(chosen.map((one) => one.id), locked));
    desk.tell(locked ? "regions_locked" : "regions_unlocked", { n: chosen.length });
  }

  /** The class of the selection, else the one that is chosen for the next shape. */
  get #classId() {
    return this.store.get(this.store.selected)?.label_class ?? this.desk.classId;
  }

  hideClass() {
    const id = this.#classId;
    if (id === null) this.desk.classReady();
    else this.desk.hideClass(id, !this.store.view.hiddenClasses.has(id));
  }

  lockClass() {
    const { store, desk } = this;
    const id = this.#classId;
    if (id === null) {
      desk.classReady();
      return;
    }
    const locked = !store.view.lockedClasses.has(id);
    store.look((view) => view.lockClass(id, locked));
    desk.tell(locked ? "class_locked" : "class_unlocked", { name: desk.tags.nameOf(id) });
  }

  hideAll() {
    this.store.look((view) => (view.allHidden = !view.allHidden));
    this.desk.tell(this.store.view.allHidden ? "all_hidden" : "all_shown");
  }

  setSnapping(on) {
    this.desk.snapping = on;
    storage.set(SNAP_KEY, on);
    this.desk.tell(on ? "snapping_on" : "snapping_off");
    this.desk.refresh();
  }

  /** Which switches are on, and which commands can do something now. */
  showSwitches() {
    const { desk } = this;
    const { view, selectedIds, annotations } = desk.store;
    const id = this.#classId;
    const pressed = {
      snap: desk.snapping, patterns: desk.patterns.isOn, hide_all: view.allHidden,
      hide_class: view.hiddenClasses.has(id), lock_class: view.lockedClasses.has(id),
      lock_object: selectedIds.size > 0 && [...selectedIds].every((one) => view.lockedIds.has(one)),
    };
    const idle = {
      duplicate: !selectedIds.size, copy: !selectedIds.size, edit: selectedIds.size !== 1, join: selectedIds.size < 2,
      forward: !selectedIds.size, back: !selectedIds.size, lock_object: !selectedIds.size, delete: !selectedIds.size,
      hide: !selectedIds.size && !view.hiddenIds.size, select_all_objects: !annotations.length,
    };
    for (const button of document.querySelectorAll("[data-command]")) {
      const { command } = button.dataset;
      if (command in pressed) button.setAttribute("aria-pressed", String(pressed[command]));
      if (command in idle) button.disabled = idle[command];
    }
  }
}

/** A menu that was opened by a pointer does not keep the focus when it closes, so that Enter goes on meaning "submit". */
function leaveNoFocus(menu) {
  let byPointer = false;
  menu.addEventListener("pointerdown", () => (byPointer = true));
  menu.addEventListener("keydown", () => (byPointer = false));
  menu.addEventListener("toggle", () => {
    if (!menu.open && byPointer && menu.contains(document.activeElement)) document.activeElement.blur();
  });
}
