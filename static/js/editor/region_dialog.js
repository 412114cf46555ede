// One region in words and numbers: its tag, place and size, typed instead of drawn.

import { byId, element } from "./dom.js";
import { boundsOf, boxFromCorners, clampPoint, round } from "./geometry.js";

const FIELDS = ["x", "y", "width", "height"];

export class RegionDialog {
  constructor(desk) {
    this.desk = desk;
    this.dialog = byId("region-dialog");
    this.select = byId("region-class");
    this.select.replaceChildren(...desk.tags.classes.map((one) => element("option", { value: String(one.id), textContent: one.path || one.name })));
    this.dialog.addEventListener("close", () => this.dialog.returnValue === "save" && this.#save());
  }

  open() {
    const one = this.desk.store.selection;
    if (!one) {
      this.desk.tell("select_region");
      return;
    }
    if (!this.desk.store.canEdit(one.id)) {
      this.desk.tell("is_locked");
      return;
    }
    this.one = one;
    const { width, height } = this.desk.store.size;
    const [left, top, right, bottom] = boundsOf(one);
    this.before = [left, top, right - left, bottom - top].map(round);
    for (const [i, name] of FIELDS.entries()) {
      const input = byId(`region-${name}`);
      input.value = String(this.before[i]);
      input.max = String(name === "x" || name === "width" ? width : height);
    }
    this.select.value = String(one.label_class);
    this.dialog.returnValue = "";
    this.dialog.showModal();
  }

  #save() {
    const { desk, one } = this;
    const values = FIELDS.map((name) => byId(`region-${name}`).valueAsNumber);
    const label_class = this.select.value ? Number(this.select.value) : one.label_class;
    const same = values.every((value, i) => value === this.before[i]);
    const after = same ? one : placedAt(one, this.before, values, desk.store.size);
    if (!after || !desk.store.get(one.id)) desk.tell("not_placed");
    else if (!same || label_class !== one.label_class) this.#replace({ ...after, label_class });
  }

  #replace(after) {
    const sound = this.desk.sound(after);
    if (sound) this.desk.store.replace([sound]);
    else this.desk.tell("not_placed");
  }
}

/** The annotation stretched from one [x, y, width, height] to another, inside the image; null where no area is left. */
function placedAt(one, [fromX, fromY, fromWidth, fromHeight], [x, y, width, height], size) {
  if (![x, y, width, height].every(Number.isFinite) || width <= 0 || height <= 0) return null;
  if (one.box) {
    const box = boxFromCorners([x, y], [x + width, y + height], size);
    return box && { ...one, box };
  }
  const stretch = (ring) => ring.map(([px, py]) => clampPoint([x + ((px - fromX) * width) / fromWidth, y + ((py - fromY) * height) / fromHeight], size).map(round));
  return { ...one, polygon: { parts: one.polygon.parts.map(({ outer, holes }) => ({ outer: stretch(outer), holes: holes.map(stretch) })) } };
}
