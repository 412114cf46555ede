// Where the image lies on the screen: screen = image × scale + offset, in CSS pixels of the stage.

import { clamp } from "./geometry.js";

const MAX_SCALE = 40;
const MARGIN = 24;

export class Viewport {
  constructor() {
    this.size = { width: 1, height: 1 };
    this.screen = { width: 1, height: 1 };
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    this.fitted = true;
  }

  /** The scale at which the whole image shows, never above 12 for tiny images. */
  get fitScale() {
    const room = { width: Math.max(this.screen.width - MARGIN, 16), height: Math.max(this.screen.height - MARGIN, 16) };
    return Math.min(room.width / this.size.width, room.height / this.size.height, 12);
  }

  get minScale() {
    return Math.min(this.fitScale, 1) / 4;
  }

  toScreen([x, y]) {
    return [x * this.scale + this.x, y * this.scale + this.y];
  }

  toImage([x, y]) {
    return [(x - this.x) / this.scale, (y - this.y) / this.scale];
  }

  /** A new image: shown whole. */
  setImage(size) {
    this.size = size;
    this.fit();
  }

  /** A new stage size: a fitted image stays fitted, any other keeps the point in the middle. */
  resize(screen) {
    const middle = this.toImage([this.screen.width / 2, this.screen.height / 2]);
    this.screen = screen;
    if (this.fitted) this.fit();
    else this.#centreOn(middle);
  }

  fit() {
    this.scale = this.fitScale;
    this.#centreOn([this.size.width / 2, this.size.height / 2]);
    this.fitted = true;
  }

  /** Sets the scale so that the image point under `at` (screen) stays where it is; the middle by default. */
  zoomTo(scale, at = [this.screen.width / 2, this.screen.height / 2]) {
    const point = this.toImage(at);
    this.scale = clamp(scale, this.minScale, MAX_SCALE);
    this.x = at[0] - point[0] * this.scale;
    this.y = at[1] - point[1] * this.scale;
    this.fitted = false;
    this.#keepInReach();
  }

  zoomBy(factor, at) {
    this.zoomTo(this.scale * factor, at);
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.fitted = false;
    this.#keepInReach();
  }

  /** Position of the scale between the smallest (0) and the largest (1), on a logarithmic slider. */
  get slider() {
    return Math.log(this.scale / this.minScale) / Math.log(MAX_SCALE / this.minScale);
  }

  set slider(value) {
    this.zoomTo(this.minScale * (MAX_SCALE / this.minScale) ** value);
  }

  #centreOn([x, y]) {
    this.x = this.screen.width / 2 - x * this.scale;
    this.y = this.screen.height / 2 - y * this.scale;
  }

  /** Some of the image always stays on the stage, so that nobody loses it. */
  #keepInReach() {
    const keep = 48;
    this.x = clamp(this.x, keep - this.size.width * this.scale, this.screen.width - keep);
    this.y = clamp(this.y, keep - this.size.height * this.scale, this.screen.height - keep);
  }
}
