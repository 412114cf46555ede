// E: a box from the four outermost points of an object, clicked in any order (Papadopoulos et al., "Extreme clicking for
// efficient object annotation", ICCV 2017).

import { boxFromCorners } from "../geometry.js";
import { drawPoint } from "../render.js";
import { drawBox } from "./box.js";
import { SketchTool } from "./sketch_tool.js";

const POINTS = 4;

export class ExtremeTool extends SketchTool {
  name = "extreme";

  down(point) {
    if (!this.desk.classReady()) return;
    if (!this.isDrawing) this.desk.store.select(null);
    this.press = { from: point, added: true };
    this.sketch.add([this.inImage(point)]);
    this.changed();
  }

  move(point) {
    this.at = point;
  }

  up() {
    const { press } = this;
    this.press = null;
    if (press && this.sketch.points.length >= POINTS) this.finish();
  }

  #box(points) {
    const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
    return boxFromCorners([Math.min(...xs), Math.min(...ys)], [Math.max(...xs), Math.max(...ys)], this.desk.store.size);
  }

  /** Makes the box round the points that are there; says so where they have no area. False where there are none. */
  finish() {
    if (!this.isDrawing) return false;
    const box = this.#box(this.sketch.points);
    if (!box) {
      this.desk.tell("needs_extremes");
      return true;
    }
    this.sketch.clear();
    this.desk.add({ box });
    return true;
  }

  draw(context) {
    const { viewport, pointer } = this.desk.stage;
    const { points } = this.sketch;
    if (!this.isDrawing || !pointer) this.drawSketch(context);
    if (!this.isDrawing) return;
    drawBox(context, this.desk, this.#box(pointer && this.at ? [...points, this.inImage(this.at)] : points));
    for (const point of points) drawPoint(context, viewport.toScreen(point), this.desk.colour, 4);
  }
}
