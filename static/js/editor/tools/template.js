// T: one click places a box of a fixed size: that of the last box made, 50 × 50 pixels before there is one.

import { boxAround } from "../geometry.js";
import { strokeSeen } from "../render.js";
import { Grips } from "./grips.js";

const FIRST = { width: 50, height: 50 };

export class TemplateTool {
  name = "template";

  constructor(desk) {
    this.desk = desk;
    this.grips = new Grips(desk, { drawing: true });
    this.pressed = null;
    this.cursor = "copy";
  }

  get extent() {
    return this.desk.store.annotations.findLast((one) => one.box)?.box ?? FIRST;
  }

  down(point, event) {
    const grip = this.grips.at(point, event);
    if (grip) this.grips.begin(grip, point);
    else this.pressed = point;
  }

  move(point, event) {
    if (this.grips.isDragging) this.grips.move(point);
    else this.cursor = this.grips.cursorAt(point, event) ?? "copy";
  }

  up() {
    if (this.grips.isDragging) this.grips.end();
    else if (this.pressed) this.#place(this.pressed);
    this.pressed = null;
  }

  #place(point) {
    const { width, height } = this.desk.store.size;
    const outside = point[0] < 0 || point[1] < 0 || point[0] > width || point[1] > height;
    if (!outside && this.desk.classReady()) this.desk.add({ box: boxAround(point, this.extent, this.desk.store.size) });
  }

  cancel() {
    const was = this.pressed !== null;
    this.pressed = null;
    return this.grips.cancel() || was;
  }

  draw(context) {
    const { viewport, pointer } = this.desk.stage;
    if (!pointer || this.grips.isDragging || this.cursor !== "copy") return;
    const box = boxAround(viewport.toImage(pointer), this.extent, this.desk.store.size);
    const [x, y] = viewport.toScreen([box.x, box.y]);
    context.setLineDash([5, 4]);
    context.beginPath();
    context.rect(x, y, box.width * viewport.scale, box.height * viewport.scale);
    strokeSeen(context, this.desk.colour, 1.5);
    context.setLineDash([]);
  }
}
