// Line patterns, so that classes can be told apart without their colours. A switch of the page; remembered on this device.

import { storage } from "./dom.js";

const KEY = "tessera.patterns";

/** Dash lengths in CSS pixels; the n-th class takes the n-th, then from the start. css/editor.css has their swatches. */
const DASHES = [[], [10, 5], [2, 4], [12, 4, 2, 4], [5, 5], [16, 6], [2, 7], [8, 3, 8, 8]];
const LOCKED = [7, 4];

export class Patterns {
  /** `tags` has the classes in order and their rows. */
  constructor(tags) {
    this.tags = tags;
    this.numbers = new Map(tags.classes.map(({ id }, i) => [id, i % DASHES.length]));
    this.isOn = storage.get(KEY) === true;
  }

  set(on) {
    this.isOn = on;
    storage.set(KEY, on);
  }

  numberOf(classId) {
    return this.numbers.get(classId) ?? 0;
  }

  /** The dashes of an annotation's outline; locked ones are dashed alike while patterns are off. */
  dashOf({ label_class }, isLocked) {
    if (this.isOn) return DASHES[this.numberOf(label_class)];
    return isLocked ? LOCKED : [];
  }
}
