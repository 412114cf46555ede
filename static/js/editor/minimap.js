// The whole image small in a corner while only a part of it shows; a press or a drag moves the view there.

import { Viewport } from "./viewport.js";

const LONGEST = 176;

export class Minimap {
  constructor(stage, canvas) {
    this.stage = stage;
    this.canvas = canvas;
    this.enabled = true;
    this.viewport = new Viewport();
    this.thumbnail = null;
    this.waits = false;
    stage.addEventListener("view", () => this.#ask());
    stage.addEventListener("image", () => {
      this.thumbnail = null;
      this.#ask();
    });
    canvas.addEventListener("pointerdown", (event) => this.#press(event));
    canvas.addEventListener("pointermove", (event) => event.buttons & 1 && this.#press(event));
    for (const type of ["dblclick", "pointerup"]) canvas.addEventListener(type, (event) => event.stopPropagation());
  }

  setEnabled(enabled) {
    this.enabled = enabled;
    this.#ask();
  }

  #ask() {
    if (this.waits) return;
    this.waits = true;
    requestAnimationFrame(() => {
      this.waits = false;
      this.#paint();
    });
  }

  #paint() {
    const { stage, canvas } = this;
    canvas.hidden = !this.enabled || !stage.item || stage.viewport.isWhole;
    if (canvas.hidden) return;
    const { ratio, viewport: view } = stage;
    this.thumbnail = this.thumbnail?.turn === view.turn ? this.thumbnail : this.#draw(view, ratio);
    const context = canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.globalCompositeOperation = "copy";
    context.drawImage(this.thumbnail.picture, 0, 0);
    context.globalCompositeOperation = "source-over";
    context.setTransform(...this.viewport.matrix(ratio));
    const [left, top, right, bottom] = view.region();
    const [x0, y0] = this.viewport.toScreen([left, top]);
    const [x1, y1] = this.viewport.toScreen([right, bottom]);
    for (const [style, width] of [["rgb(0 0 0 / 0.6)", 4], ["#ffd400", 2]]) {
      context.strokeStyle = style;
      context.lineWidth = width;
      context.strokeRect(x0, y0, x1 - x0, y1 - y0);
    }
  }

  /** The picture as small as the map, turned as the view is. */
  #draw({ size, turn }, ratio) {
    const scale = LONGEST / Math.max(size.width, size.height);
    const sides = [Math.max(size.width * scale, 8), Math.max(size.height * scale, 8)];
    const [width, height] = turn % 2 ? sides.reverse() : sides;
    Object.assign(this.canvas, { width: Math.ceil(width * ratio), height: Math.ceil(height * ratio) });
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    this.viewport.resize({ width, height });
    this.viewport.setImage(size);
    this.viewport.setTurn(turn);
    Object.assign(this.viewport, { scale, x: 0, y: 0 });
    const picture = new OffscreenCanvas(this.canvas.width, this.canvas.height);
    const context = picture.getContext("2d");
    context.setTransform(...this.viewport.matrix(ratio));
    this.stage.picture.draw(context, this.viewport, [0, 0, size.width, size.height]);
    return { picture, turn };
  }

  #press(event) {
    event.stopPropagation();
    event.preventDefault();
    const box = this.canvas.getBoundingClientRect();
    const point = this.viewport.toImage(this.viewport.toView([event.clientX - box.left, event.clientY - box.top]));
    this.stage.viewport.centreOn(point);
    this.stage.moved();
  }
}
