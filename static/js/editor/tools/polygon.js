// P: click point by point; a double click, Enter or a click on the first point closes. Undo takes back single points.

import { clampPoint, polygonFromRing } from "../geometry.js";
import { drawCrosshair, drawPoint, strokeSeen, tracePath } from "../render.js";

const CLOSE_REACH = 10;
/** The second half of a double click that closed a polygon does not begin the next one. */
const DOUBLE_CLICK_MS = 400;

export class PolygonTool {
  name = "polygon";
  cursor = "crosshair";

  constructor(desk) {
    this.desk = desk;
    this.points = [];
    this.taken = [];
    this.at = null;
    this.finishedAt = -Infinity;
  }

  get isDrawing() {
    return this.points.length > 0;
  }

  down(point, event) {
    if (event.timeStamp - this.finishedAt < DOUBLE_CLICK_MS) return;
    if (!this.isDrawing && !this.desk.classReady()) return;
    if (this.#closes(point)) {
      this.#finishByPointer();
      return;
    }
    if (!this.isDrawing) this.desk.store.select(null);
    const next = clampPoint(point, this.desk.store.size);
    const last = this.points.at(-1);
    const apart = !last || Math.hypot(next[0] - last[0], next[1] - last[1]) >= this.desk.stage.reach(2);
    if (apart) this.points.push(next);
    this.taken = [];
    this.#changed();
  }

  move(point) {
    this.at = point;
  }

  doubleClick() {
    if (this.isDrawing) this.#finishByPointer();
  }

  /** Only here a second press may follow at once; after Enter the next press is meant. */
  #finishByPointer() {
    if (this.finish() && !this.isDrawing) this.finishedAt = performance.now();
  }

  #closes([x, y]) {
    if (this.points.length < 3) return false;
    const [fx, fy] = this.points[0];
    return Math.hypot(x - fx, y - fy) <= this.desk.stage.reach(CLOSE_REACH);
  }

  /** Closes the polygon; says so and draws on where it has no area yet. True when something was being drawn. */
  finish() {
    if (!this.isDrawing) return false;
    const polygon = polygonFromRing(this.points, this.desk.store.size);
    if (!polygon) {
      this.desk.tell("needs_points");
      return true;
    }
    this.cancel();
    this.desk.add({ polygon });
    return true;
  }

  cancel() {
    const was = this.isDrawing;
    this.points = [];
    this.taken = [];
    this.#changed();
    return was;
  }

  undo() {
    if (!this.isDrawing) return false;
    this.taken.push(this.points.pop());
    this.#changed();
    return true;
  }

  redo() {
    if (!this.taken.length) return false;
    this.points.push(this.taken.pop());
    this.#changed();
    return true;
  }

  #changed() {
    this.desk.stage.paint("overlay");
    this.desk.refresh();
  }

  draw(context) {
    const { viewport, pointer } = this.desk.stage;
    if (!this.isDrawing) {
      if (pointer) drawCrosshair(context, pointer, viewport.screen);
      return;
    }
    const closing = this.at && this.#closes(this.at);
    const tip = pointer && this.at ? [closing ? this.points[0] : clampPoint(this.at, this.desk.store.size)] : [];
    context.beginPath();
    tracePath(context, [...this.points, ...tip], viewport, false);
    strokeSeen(context, this.desk.colour);
    for (const [i, point] of this.points.entries()) {
      drawPoint(context, viewport.toScreen(point), this.desk.colour, i === 0 && closing ? 7 : i === 0 ? 5 : 3.5);
    }
  }
}
