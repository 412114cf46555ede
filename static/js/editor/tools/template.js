// T: one click places a box of a fixed size: that of the last box made, 50 × 50 pixels before there is one.

import { boxAround } from "../geometry.js";
import { strokeSeen } from "../render.js";
import { SelectTool } from "./select.js";

const FIRST = { width: 50, height: 50 };

export class TemplateTool {
  name = "template";

  constructor(desk) {
    this.desk = desk;
    this.grip = new SelectTool(desk);
  }

  get cursor() {
    return this.grip.cursor.endsWith("-resize") ? this.grip.cursor : "copy";
  }

  get extent() {
    return this.desk.store.annotations.findLast((one) => one.box)?.box ?? FIRST;
  }

  down(point) {
    if (this.grip.gripAt(point)) {
      this.grip.down(point);
      return;
    }
    const { width, height } = this.desk.store.size;
    const outside = point[0] < 0 || point[1] < 0 || point[0] > width || point[1] > height;
    if (!outside && this.desk.classReady()) this.desk.add({ box: boxAround(point, this.extent, this.desk.store.size) });
  }

  move(point) {
    this.grip.move(point);
  }

  up() {
    if (this.grip.drag) this.grip.up();
  }

  cancel() {
    return this.grip.cancel();
  }

  draw(context) {
    const { viewport, pointer } = this.desk.stage;
    if (!pointer || this.grip.drag || this.grip.cursor.endsWith("-resize")) return;
    const box = boxAround(viewport.toImage(pointer), this.extent, this.desk.store.size);
    const [x, y] = viewport.toScreen([box.x, box.y]);
    context.setLineDash([5, 4]);
    context.beginPath();
    context.rect(x, y, box.width * viewport.scale, box.height * viewport.scale);
    strokeSeen(context, this.desk.colour, 1.5);
    context.setLineDash([]);
  }
}
