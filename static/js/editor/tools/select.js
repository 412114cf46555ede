// M: pick, resize by the handles, move by dragging inside, drag single points of a polygon.

import { moved, moveVertex, resizeBox } from "../geometry.js";
import { annotationAt, handleAt, vertexAt } from "../hit.js";

const REACH = 9;
const CURSORS = { n: "ns", s: "ns", e: "ew", w: "ew", nw: "nwse", se: "nwse", ne: "nesw", sw: "nesw" };

export class SelectTool {
  name = "move";

  /** `desk` gives store, stage and `preview`, the annotation as it will be when the drag ends. */
  constructor(desk) {
    this.desk = desk;
    this.drag = null;
    this.cursor = "default";
  }

  get #reach() {
    return this.desk.stage.reach(REACH);
  }

  /** The part of the selected annotation under a point that can be dragged, or null. */
  gripAt(point) {
    const one = this.desk.store.selection;
    if (!one || !this.desk.store.canEdit(one.id)) return null;
    if (one.box) {
      const handle = handleAt(one.box, point, this.#reach);
      return handle && { one, handle };
    }
    const vertex = vertexAt(one.polygon, point, this.#reach);
    return vertex && { one, vertex };
  }

  down(point) {
    const { store } = this.desk;
    const grip = this.gripAt(point);
    if (grip) {
      this.drag = { ...grip, from: point };
      return;
    }
    const one = annotationAt(store.visible, point, this.#reach);
    store.select(one?.id ?? null);
    this.drag = one && store.canEdit(one.id) ? { one, from: point } : null;
    if (one && !this.drag) this.desk.tell("is_locked");
  }

  move(point) {
    if (!this.drag) {
      this.#hover(point);
      return;
    }
    this.desk.preview = this.#dragged(point);
    this.desk.stage.paint("shapes", "overlay");
  }

  #dragged(point) {
    const { one, handle, vertex, from } = this.drag;
    const { size } = this.desk.store;
    if (handle) {
      const box = resizeBox(one.box, handle, point, size);
      return box ? { ...one, box } : this.desk.preview;
    }
    if (vertex) {
      const polygon = moveVertex(one.polygon, vertex, point, size);
      return polygon ? { ...one, polygon } : this.desk.preview;
    }
    return moved(one, point[0] - from[0], point[1] - from[1], size);
  }

  up() {
    const { preview, store } = this.desk;
    this.cancel();
    if (preview) store.replace([preview]);
  }

  /** Esc: the drag never happened. */
  cancel() {
    const was = this.drag !== null;
    this.drag = null;
    this.desk.preview = null;
    this.desk.stage.paint("shapes", "overlay");
    return was;
  }

  #hover(point) {
    const grip = this.gripAt(point);
    if (grip?.handle) this.cursor = `${CURSORS[grip.handle]}-resize`;
    else if (grip) this.cursor = "pointer";
    else this.cursor = annotationAt(this.desk.store.visible, point, this.#reach) ? "move" : "default";
  }
}
