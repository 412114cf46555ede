// Copies of annotations: beside the original, by way of the clipboard to another image, or those of the image before.

import { Clipboard, placed } from "./clipboard.js";
import { boundsOf, boundsOfAll, clamp, round } from "./geometry.js";

/** The server takes no more on one image. */
const MOST = 10_000;
/** Where the copy of an object lies beside the original, in CSS pixels. */
const BESIDE = 12;

export class Copies {
  /** `desk` is the DrawingView. Listens for what the browser's own keys for the clipboard start. */
  constructor(desk, projectId) {
    this.desk = desk;
    this.clipboard = new Clipboard(desk.kind, projectId, sessionStorage);
    for (const type of ["copy", "cut", "paste"]) document.addEventListener(type, (event) => this.#onClipboard(event));
  }

  get store() {
    return this.desk.store;
  }

  /** To be called when an image is left: the next one may repeat what it held. */
  leave() {
    this.clipboard.leave(this.store.annotations, this.desk.assignment.item.id);
  }

  #onClipboard(event) {
    const typing = event.target.closest?.("input, textarea, [contenteditable]");
    const isReading = event.type !== "paste" && !document.getSelection().isCollapsed;
    if (typing || isReading || !this.desk.isOpen || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    if (event.type === "paste") this.paste();
    else if (this.copy() && event.type === "cut") this.desk.commands.delete();
  }

  copy() {
    const { chosen } = this.store;
    if (!chosen.length) this.desk.tell("select_region");
    else {
      this.clipboard.copy(chosen, this.desk.assignment.item.id);
      this.desk.tell("regions_copied", { n: chosen.length });
    }
    return chosen.length > 0;
  }

  paste() {
    const copied = this.clipboard.copied;
    if (!copied?.shapes.length) this.desk.tell("nothing_copied");
    else this.#putIn(copied.shapes, "pasted", { beside: copied.item === this.desk.assignment.item.id });
  }

  /** What the image before held when it was left. */
  repeat() {
    const { before } = this.clipboard;
    if (!before) this.desk.tell("nothing_before");
    else this.#putIn(before.shapes, "repeated", {});
  }

  duplicate() {
    const { chosen } = this.store;
    if (chosen.length) this.#putIn(chosen, "duplicated", { beside: true });
    else this.desk.tell("select_region");
  }

  /** New annotations of these shapes, cut to the image. With `beside` none lies exactly on one that is there. */
  #putIn(shapes, done, { beside = false }) {
    const { desk, store } = this;
    if (store.annotations.length + shapes.length > MOST) {
      desk.tell("too_many", { n: MOST });
      return;
    }
    const by = beside ? this.#shift(shapes) : [0, 0];
    const fresh = shapes.map((one) => placed(one, store.size, by)).filter((one) => one !== null);
    const known = fresh.map((one) => ({ ...one, label_class: desk.tags.get(one.label_class) ? one.label_class : desk.classId }));
    if (!fresh.length) desk.tell("outside_image");
    else if (known.some((one) => one.label_class === null)) desk.classReady();
    else {
      desk.addAll(known);
      desk.tell(done, { n: fresh.length });
    }
  }

  /** A little to the lower right, or upwards or to the left where the image ends, as far as nothing lies there yet. */
  #shift(shapes) {
    const { store, desk } = this;
    const step = Math.max(Math.round(desk.stage.reach(BESIDE)), 1);
    const [left, top, right, bottom] = boundsOfAll(shapes);
    const taken = new Set(store.annotations.map((one) => boundsOf(one).slice(0, 2).join()));
    const [x, y] = [right + step <= store.size.width ? 1 : left >= step ? -1 : 0, bottom + step <= store.size.height ? 1 : top >= step ? -1 : 0];
    let by = step;
    const isTaken = (one) => taken.has([round(boundsOf(one)[0] + by * x), round(boundsOf(one)[1] + by * y)].join());
    while (by < 50 * step && shapes.some(isTaken)) by += step;
    return [clamp(by * x, -left, store.size.width - right), clamp(by * y, -top, store.size.height - bottom)];
  }
}
