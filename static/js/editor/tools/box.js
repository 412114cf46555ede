// R: a box from one corner to the other, by a drag or by two clicks. The handles of the selected box work here too, so a
// box can be corrected as soon as it is drawn; with Ctrl they are looked past.

import { boxFromCorners } from "../geometry.js";
import { drawCrosshair, strokeSeen } from "../render.js";
import { Grips } from "./grips.js";
import { SketchTool } from "./sketch_tool.js";

/** A drag shorter than this on the screen is a click: the first of two. */
const SMALLEST_DRAG = 3;

export class BoxTool extends SketchTool {
  name = "box";

  constructor(desk) {
    super(desk);
    this.grips = new Grips(desk, { drawing: true });
  }

  down(point, event) {
    const grip = this.isDrawing ? null : this.grips.at(point, event);
    if (grip) {
      this.grips.begin(grip, point);
      return;
    }
    if (!this.desk.classReady()) return;
    this.press = { from: point, added: !this.isDrawing };
    if (!this.isDrawing) {
      this.desk.store.select(null);
      this.sketch.add([this.inImage(point)]);
    }
    this.at = point;
    this.changed();
  }

  move(point, event) {
    if (this.grips.isDragging) this.grips.move(point);
    else this.cursor = (!this.isDrawing && this.grips.cursorAt(point, event)) || "crosshair";
    this.at = point;
  }

  up(point) {
    if (this.grips.isDragging) {
      this.grips.end();
      return;
    }
    const { press } = this;
    this.press = null;
    this.at = point;
    // The press that set the first corner is a drag only when it went somewhere; otherwise a second click ends the box.
    if (press && (!press.added || this.isFar(press.from, point, SMALLEST_DRAG))) this.finish();
  }

  /** Makes the box from the first corner to the pointer; waits on where that has no area. False where none was begun. */
  finish() {
    if (!this.isDrawing) return false;
    const { desk } = this;
    const box = boxFromCorners(this.sketch.points[0], this.at, desk.store.size);
    const least = desk.stage.reach(SMALLEST_DRAG);
    if (!box || box.width < least || box.height < least) return true;
    this.sketch.clear();
    desk.add({ box });
    return true;
  }

  cancel() {
    return this.grips.cancel() || super.cancel();
  }

  interrupt() {
    this.grips.cancel();
    super.interrupt();
  }

  draw(context) {
    const { viewport, pointer } = this.desk.stage;
    if (!this.isDrawing) {
      if (pointer && this.cursor === "crosshair") drawCrosshair(context, pointer, viewport.screen);
      return;
    }
    if (!this.press && pointer) drawCrosshair(context, pointer, viewport.screen);
    drawBox(context, this.desk, boxFromCorners(this.sketch.points[0], this.at, this.desk.store.size));
  }
}

/** A box that is being made, with its size beside the pointer. */
export function drawBox(context, desk, box) {
  if (!box) return;
  const { viewport } = desk.stage;
  const [x, y] = viewport.toScreen([box.x, box.y]);
  context.beginPath();
  context.rect(x, y, box.width * viewport.scale, box.height * viewport.scale);
  strokeSeen(context, desk.colour);
  desk.painter.drawMeasure(context, `${Math.round(box.width)} × ${Math.round(box.height)}`);
}
