// Where the image lies on the stage. Three frames of coordinates, all with y down:
//
// image   pixels of the item, as annotations are kept
// view    image × scale + offset, in CSS pixels: the axes are those of the image. Tools, shapes and pointers live here
// stage   the view turned clockwise by `turn` quarter turns, in CSS pixels from the stage's top left corner: what is seen
//
// Without a turn, view and stage are the same. `screen` is the stage's size along the axes of the view.

import { clamp } from "./geometry.js";

const MAX_SCALE = 40;
const MARGIN = 24;

export class Viewport {
  constructor() {
    this.size = { width: 1, height: 1 };
    this.screen = { width: 1, height: 1 };
    this.turn = 0;
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

  /** The size of the stage as it is seen. */
  get stage() {
    return this.turn % 2 ? { width: this.screen.height, height: this.screen.width } : this.screen;
  }

  /** The point of the view under a point of the stage. */
  toView([x, y]) {
    const { width, height } = this.screen;
    return [[x, y], [y, height - x], [width - x, height - y], [width - y, x]][this.turn];
  }

  /** Where a point of the view is seen on the stage. */
  toStage([x, y]) {
    const { width, height } = this.screen;
    return [[x, y], [height - y, x], [width - x, height - y], [y, width - x]][this.turn];
  }

  /** The six numbers of a canvas transform from view to stage; `ratio` is device pixels per CSS pixel. */
  matrix(ratio = 1) {
    const [e, f] = this.toStage([0, 0]);
    const [a, b] = [[1, 0], [0, 1], [-1, 0], [0, -1]][this.turn];
    return [a, b, -b, a, e, f].map((value) => value * ratio);
  }

  /** The part of the image that shows, grown by a margin of CSS pixels: [left, top, right, bottom] in image pixels. */
  region(margin = 0) {
    const [left, top] = this.toImage([-margin, -margin]);
    const [right, bottom] = this.toImage([this.screen.width + margin, this.screen.height + margin]);
    return [left, top, right, bottom];
  }

  /** A new image: shown whole and upright. */
  setImage(size) {
    this.size = size;
    this.setTurn(0);
    this.fit();
  }

  /** A new stage size: a fitted image stays fitted, any other keeps the point in the middle. */
  resize({ width, height }) {
    this.#reshape(this.turn % 2 ? { width: height, height: width } : { width, height });
  }

  /** Quarter turns clockwise, counted from upright; the point in the middle stays there. */
  setTurn(turn) {
    const { stage } = this;
    this.turn = ((turn % 4) + 4) % 4;
    this.#reshape(this.turn % 2 ? { width: stage.height, height: stage.width } : stage);
  }

  #reshape(screen) {
    const middle = this.toImage([this.screen.width / 2, this.screen.height / 2]);
    this.screen = screen;
    if (this.fitted) this.fit();
    else this.#centreOn(middle);
  }

  /** Shows a part of the image, [left, top, right, bottom], as large as it fits with room around it. */
  showRegion([left, top, right, bottom]) {
    const room = 0.6;
    const { width, height } = this.screen;
    const scale = Math.min((width * room) / Math.max(right - left, 1), (height * room) / Math.max(bottom - top, 1));
    this.scale = clamp(scale, this.minScale, MAX_SCALE);
    this.centreOn([(left + right) / 2, (top + bottom) / 2]);
  }

  /** Moves a point of the image to the middle of the stage, as far as the image stays in reach. */
  centreOn(point) {
    this.#centreOn(point);
    this.fitted = false;
    this.#keepInReach();
  }

  /** Whether the whole image is on the stage. */
  get isWhole() {
    const [left, top, right, bottom] = this.region(1);
    return left <= 0 && top <= 0 && right >= this.size.width && bottom >= this.size.height;
  }

  fit() {
    this.scale = this.fitScale;
    this.#centreOn([this.size.width / 2, this.size.height / 2]);
    this.fitted = true;
  }

  /** Sets the scale so that the image point under `at` (view) stays where it is; the middle by default. */
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
