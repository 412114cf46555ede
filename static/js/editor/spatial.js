// Finds annotations by place. The index is built once and kept while a few annotations change: those are looked at one by
// one until there are too many of them.

import Flatbush from "../../vendor/flatbush.js";
import { boundsOf } from "./geometry.js";

/** Below this many an index costs more than it saves. */
const FEW = 48;
/** Changed annotations that are looked at one by one before the index is built anew. */
const ASIDE = 128;

/**
 * What lies between two lists of annotations, which are compared by identity: {removed, added, reordered}. `reordered`
 * says that those in both lists changed places.
 */
export function difference(before, after) {
  let start = 0;
  const shorter = Math.min(before.length, after.length);
  while (start < shorter && before[start] === after[start]) start += 1;
  let end = 0;
  while (end < shorter - start && before[before.length - 1 - end] === after[after.length - 1 - end]) end += 1;
  const out = before.slice(start, before.length - end);
  const into = after.slice(start, after.length - end);
  const [old, fresh] = [new Set(out), new Set(into)];
  const removed = out.filter((one) => !fresh.has(one));
  const added = into.filter((one) => !old.has(one));
  const stayed = out.filter((one) => fresh.has(one));
  const now = into.filter((one) => old.has(one));
  return { removed, added, reordered: stayed.some((one, i) => one !== now[i]) };
}

/** Whether two rectangles [left, top, right, bottom] touch. */
export const touches = (a, b) => a[2] >= b[0] && a[0] <= b[2] && a[3] >= b[1] && a[1] <= b[3];

export class SpatialIndex {
  constructor(annotations = []) {
    this.annotations = annotations;
    this.#build();
  }

  #build() {
    this.base = this.annotations;
    this.gone = new Set();
    this.aside = [];
    this.places = null;
    this.tree = null;
    if (this.base.length < FEW) return;
    this.tree = new Flatbush(this.base.length);
    for (const one of this.base) this.tree.add(...boundsOf(one));
    this.tree.finish();
  }

  /** Takes another list, most of which is the one before. */
  update(annotations) {
    if (annotations === this.annotations) return;
    const { removed, added } = difference(this.annotations, annotations);
    this.annotations = annotations;
    this.places = null;
    const [out, into] = [new Set(removed), new Set(this.aside)];
    for (const one of removed) if (!into.has(one)) this.gone.add(one);
    // What undo brings back is in the tree already.
    this.aside = this.aside.filter((one) => !out.has(one));
    for (const one of added) if (!this.gone.delete(one)) this.aside.push(one);
    if (this.gone.size + this.aside.length > ASIDE) this.#build();
  }

  /** The annotations whose bounds touch [left, top, right, bottom], in drawing order. */
  search(region) {
    const { tree } = this;
    if (!tree) return this.annotations.filter((one) => touches(boundsOf(one), region));
    const holdsAll = region[0] <= tree.minX && region[1] <= tree.minY && region[2] >= tree.maxX && region[3] >= tree.maxY;
    if (holdsAll && !this.aside.length) return this.annotations;
    const found = [];
    for (const i of tree.search(...region)) if (!this.gone.has(this.base[i])) found.push(this.base[i]);
    for (const one of this.aside) if (touches(boundsOf(one), region)) found.push(one);
    this.places ??= new Map(this.annotations.map((one, i) => [one, i]));
    return found.sort((a, b) => this.places.get(a) - this.places.get(b));
  }
}

const shared = new SpatialIndex();

/** What touches a region in a list of annotations. Drawing and hit tests ask for the same list, so they share an index. */
export function searchIn(annotations, region) {
  shared.update(annotations);
  return shared.search(region);
}
