// R: drag a box. The handles of the selected box work here too, so a box can be corrected as soon as it is drawn.

import { boxFromCorners } from "../geometry.js";
import { drawCrosshair, strokeSeen } from "../render.js";
import { SelectTool } from "./select.js";

/** A drag shorter than this on the screen is a slip of the hand, not a box. */
const SMALLEST_DRAG = 3;

export class BoxTool {
  name = "box";

  constructor(desk) {
    this.desk = desk;
    this.grip = new SelectTool(desk);
    this.from = null;
    this.to = null;
  }

  get cursor() {
    return this.grip.cursor.endsWith("-resize") ? this.grip.cursor : "crosshair";
  }

  down(point) {
    if (this.grip.gripAt(point)) {
      this.grip.down(point);
      return;
    }
    if (!this.desk.classReady()) return;
    this.desk.store.select(null);
    this.from = point;
    this.to = point;
  }

  move(point) {
    if (this.from) this.to = point;
    else this.grip.move(point);
  }

  up(point) {
    if (this.grip.drag) {
      this.grip.up();
      return;
    }
    if (!this.from) return;
    const { from, desk } = this;
    this.cancel();
    const least = desk.stage.reach(SMALLEST_DRAG);
    const box = boxFromCorners(from, point, desk.store.size);
    if (box && box.width >= least && box.height >= least) desk.add({ box });
  }

  cancel() {
    const was = this.from !== null;
    this.from = null;
    this.to = null;
    this.desk.stage.paint("overlay");
    return this.grip.cancel() || was;
  }

  draw(context) {
    const { viewport, pointer } = this.desk.stage;
    if (!this.from) {
      if (pointer && !this.grip.cursor.endsWith("-resize")) drawCrosshair(context, pointer, viewport.screen);
      return;
    }
    const box = boxFromCorners(this.from, this.to, this.desk.store.size);
    if (!box) return;
    const [x, y] = viewport.toScreen([box.x, box.y]);
    context.beginPath();
    context.rect(x, y, box.width * viewport.scale, box.height * viewport.scale);
    strokeSeen(context, this.desk.colour);
    this.desk.drawMeasure(context, `${Math.round(box.width)} × ${Math.round(box.height)}`);
  }
}
