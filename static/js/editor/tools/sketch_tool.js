// What tools have in common that make a shape out of points: the sketch with its own undo, Esc, Enter, what becomes of a
// press that turns out to be half of a pinch, and the marks on the image.

import { clampPoint } from "../geometry.js";
import { drawCrosshair, drawPoint, strokeSeen, tracePath } from "../render.js";
import { Sketch } from "./sketch.js";

export class SketchTool {
  cursor = "crosshair";

  /** `desk` gives store, stage, class, snapping and messages. Subclasses have `finish()`, which makes the shape. */
  constructor(desk) {
    this.desk = desk;
    this.sketch = new Sketch();
    this.at = null;
    this.press = null;
  }

  get isDrawing() {
    return !this.sketch.isEmpty;
  }

  get canRedo() {
    return this.sketch.canRedo(this.desk.store.lastEdit);
  }

  /** Whether two image points are at least this many CSS pixels apart. */
  isFar([ax, ay], [bx, by], pixels) {
    return Math.hypot(ax - bx, ay - by) >= this.desk.stage.reach(pixels);
  }

  inImage(point) {
    return clampPoint(point, this.desk.store.size);
  }

  undo() {
    return this.#changed(this.sketch.undo(this.desk.store.lastEdit));
  }

  redo() {
    return this.#changed(this.sketch.redo(this.desk.store.lastEdit));
  }

  /** Esc: the sketch is put away, and undo brings it back. */
  cancel() {
    const was = this.isDrawing;
    this.press = null;
    this.sketch.cancel(this.desk.store.lastEdit);
    return this.#changed(was);
  }

  /** A second finger came down: the press that began a moment ago was not meant as a point. */
  interrupt() {
    if (this.press?.added) this.sketch.drop();
    this.press = null;
    this.changed();
  }

  #changed(did) {
    this.changed();
    return did;
  }

  changed() {
    this.desk.stage.paint("overlay");
    this.desk.refresh();
  }

  /** The sketch as a line with its points, and on to `tip` (points); a crosshair where nothing is drawn yet. */
  drawSketch(context, { tip = [], closing = false, colour = this.desk.colour } = {}) {
    const { viewport, pointer } = this.desk.stage;
    if (!this.isDrawing) {
      if (pointer) drawCrosshair(context, pointer, viewport.screen);
      for (const point of tip) drawPoint(context, viewport.toScreen(point), colour, 5);
      return;
    }
    const { points } = this.sketch;
    context.beginPath();
    tracePath(context, [...points, ...tip], viewport, false);
    strokeSeen(context, colour);
    for (const [i, point] of points.entries()) {
      drawPoint(context, viewport.toScreen(point), colour, i === 0 && closing ? 7 : i === 0 ? 5 : 3.5);
    }
  }
}
