// A layer of the stage that is expensive to draw: drawn once onto a bitmap larger than the stage, which is then only moved
// and scaled while the view moves, and drawn anew when the view rests or shows what the bitmap does not hold.

import { onPixels } from "./render.js";

/** How far the bitmap reaches beyond the stage on each side, in CSS pixels. */
const MARGIN = 256;
/** Around the image nothing is drawn beyond this: strokes, names. In CSS pixels. */
const BLEED = 64;
/** Layers of at most so many drawn points are cheap enough to be drawn in every frame: then nothing is ever blurred. */
const CHEAP = 1500;

/** What a bitmap was drawn for: enough to say where it lies under another view. */
const snapshotOf = (viewport, ratio) => ({
  ratio,
  scale: viewport.scale,
  turn: viewport.turn,
  origin: viewport.toStage(viewport.toScreen([0, 0])),
  region: viewport.region(MARGIN),
  width: viewport.stage.width,
  height: viewport.stage.height,
});

/** Whether the bitmap drawn for `drawn` holds all of the image that the viewport shows. */
export function covers(drawn, viewport) {
  const bleed = BLEED / viewport.scale;
  const { width, height } = viewport.size;
  const [left, top, right, bottom] = viewport.region();
  const [x0, y0, x1, y1] = drawn.region;
  const slack = 0.01 / viewport.scale;
  return (
    Math.max(left, -bleed) >= x0 - slack && Math.max(top, -bleed) >= y0 - slack &&
    Math.min(right, width + bleed) <= x1 + slack && Math.min(bottom, height + bleed) <= y1 + slack
  );
}

/** Where a bitmap lies on the stage now: [x, y, factor], x and y of its corner in CSS pixels. */
export function placement(drawn, viewport) {
  const factor = viewport.scale / drawn.scale;
  const [x, y] = viewport.toStage(viewport.toScreen([0, 0]));
  return [x - factor * (drawn.origin[0] + MARGIN), y - factor * (drawn.origin[1] + MARGIN), factor];
}

export class Layer {
  /**
   * `draw(context, viewport, region)` draws what touches a region of the image, in coordinates of the view, and returns
   * how many points it drew.
   */
  constructor(canvas, draw) {
    this.canvas = canvas;
    this.draw = draw;
    this.bitmap = null;
    this.drawn = null;
    this.shown = null;
    this.points = 0;
    this.patches = [];
  }

  /** What was drawn is wrong everywhere. */
  invalidate() {
    this.drawn = null;
    this.patches = [];
  }

  /** What was drawn is wrong within a region of the image. */
  invalidateRegion(region) {
    if (this.drawn) this.patches.push(region);
  }

  /** Brings the canvas up to date. While `moving`, an expensive layer may be shown scaled. */
  paint(viewport, ratio, moving) {
    const { drawn } = this;
    const fits = drawn && drawn.ratio === ratio && drawn.turn === viewport.turn &&
      drawn.width === viewport.stage.width && drawn.height === viewport.stage.height;
    const mayScale = moving && this.points > CHEAP;
    if (!fits || !covers(drawn, viewport) || !this.#isSharp(viewport, ratio, mayScale)) this.#redraw(viewport, ratio);
    else if (this.patches.length) this.#patch(viewport);
    else if (this.#isShown(viewport)) return;
    this.#blit(viewport, ratio);
  }

  /** Not scaled, and moved by whole pixels of the screen. */
  #isSharp(viewport, ratio, mayScale) {
    if (mayScale) return true;
    const [x, y, factor] = placement(this.drawn, viewport);
    const off = (value) => Math.abs(value * ratio - Math.round(value * ratio));
    return Math.abs(factor - 1) < 1e-9 && off(x) < 0.01 && off(y) < 0.01;
  }

  /** Whether the canvas shows the bitmap at this place already. A canvas that was resized is empty. */
  #isShown(viewport) {
    const { shown, canvas } = this;
    return shown?.join() === [...placement(this.drawn, viewport), canvas.width, canvas.height].join();
  }

  #redraw(viewport, ratio) {
    const { width, height } = viewport.stage;
    const [w, h] = [Math.ceil((width + 2 * MARGIN) * ratio), Math.ceil((height + 2 * MARGIN) * ratio)];
    if (this.bitmap?.width !== w || this.bitmap.height !== h) this.bitmap = new OffscreenCanvas(w, h);
    this.patches = [];
    this.drawn = snapshotOf(viewport, ratio);
    const context = this.bitmap.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, w, h);
    this.#place(context, viewport, ratio);
    this.points = this.draw(context, viewport, this.drawn.region);
  }

  #place(context, viewport, ratio) {
    const [a, b, c, d, e, f] = viewport.matrix(ratio);
    context.setTransform(a, b, c, d, e + MARGIN * ratio, f + MARGIN * ratio);
  }

  /** Draws only what changed, onto the bitmap as it is placed. */
  #patch(viewport) {
    const { drawn } = this;
    const context = this.bitmap.getContext("2d");
    const view = Object.create(viewport, { scale: { value: drawn.scale }, x: { value: 0 }, y: { value: 0 } });
    for (const region of this.patches) {
      // The view as it was when the bitmap was drawn: its origin is known on the stage, and its scale.
      const [a, b, c, d] = viewport.matrix(drawn.ratio);
      context.setTransform(a, b, c, d, (drawn.origin[0] + MARGIN) * drawn.ratio, (drawn.origin[1] + MARGIN) * drawn.ratio);
      context.save();
      context.beginPath();
      // Grown to whole pixels, so that no edge is half cleared.
      const corners = [region.slice(0, 2), region.slice(2)].map((corner) => corner.map((value) => value * drawn.scale));
      const [x0, y0, x1, y1] = onPixels(context, ...corners, [Math.floor, Math.ceil]);
      context.rect(x0, y0, x1 - x0, y1 - y0);
      context.clip();
      context.clearRect(x0, y0, x1 - x0, y1 - y0);
      this.draw(context, view, [x0, y0, x1, y1].map((value) => value / drawn.scale));
      context.restore();
    }
    this.patches = [];
  }

  #blit(viewport, ratio) {
    const context = this.canvas.getContext("2d");
    const [x, y, factor] = placement(this.drawn, viewport);
    const same = Math.abs(factor - 1) < 1e-9;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.globalCompositeOperation = "copy";
    context.imageSmoothingEnabled = !same;
    if (same) context.drawImage(this.bitmap, Math.round(x * ratio), Math.round(y * ratio));
    else context.drawImage(this.bitmap, x * ratio, y * ratio, this.bitmap.width * factor, this.bitmap.height * factor);
    this.shown = [x, y, factor, this.canvas.width, this.canvas.height];
  }
}
