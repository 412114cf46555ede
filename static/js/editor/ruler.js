// Measures a distance in pixels of the image: drag from one point to another. The line stays until the next one, or Esc.

import { drawLabel, strokeSeen, tracePath } from "./render.js";
import { say } from "./dom.js";

/** Length and extent of a line between two points of the image, in pixels rounded to tenths. */
export function measured([ax, ay], [bx, by]) {
  const tenth = (value) => Math.round(Math.abs(value) * 10) / 10;
  return { length: tenth(Math.hypot(bx - ax, by - ay)), width: tenth(bx - ax), height: tenth(by - ay) };
}

export class RulerTool {
  name = "ruler";
  cursor = "crosshair";

  constructor(stage, page) {
    this.stage = stage;
    this.page = page;
    this.line = null;
    this.dragging = false;
  }

  down(point) {
    this.line = [point, point];
    this.dragging = true;
  }

  move(point) {
    if (this.dragging) this.line = [this.line[0], point];
  }

  up(point) {
    if (!this.dragging) return;
    this.move(point);
    this.dragging = false;
    this.page.say(say("ruler_value", measured(...this.line)));
  }

  cancel() {
    const was = this.line !== null;
    this.line = null;
    this.dragging = false;
    this.stage.paint("overlay");
    return was;
  }

  draw(context) {
    if (!this.line) return;
    const { viewport } = this.stage;
    context.beginPath();
    tracePath(context, this.line, viewport, false);
    strokeSeen(context, "#ffd400", 1.5);
    drawLabel(context, viewport.toScreen(this.line[1]), say("ruler_value", measured(...this.line)));
  }
}
