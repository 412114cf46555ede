// A large image in squares: only what is in view is loaded, at the resolution it is looked at, over the coarse picture.

import { onPixels, ratioOf } from "./render.js";

/** Squares that stay decoded: about a megabyte each. */
const KEPT = 120;
/** The server cuts all squares of an image at the first question; more at once would only wait there. */
const AT_ONCE = 4;

/** Level 0 has every pixel, each further one half as many along a side; null where the coarse picture is fine enough. */
export function levelFor(scale, levels) {
  const level = Math.max(Math.floor(Math.log2(1 / scale) + 1e-9), 0);
  return level < levels ? level : null;
}

/** The squares of a level that touch a region of the image, those nearest to its middle first: {level, column, row, bounds}. */
export function squaresIn(size, { side }, level, region) {
  const step = side << level;
  const last = [Math.ceil(size.width / step) - 1, Math.ceil(size.height / step) - 1];
  const from = [0, 1].map((i) => Math.max(Math.floor(region[i] / step), 0));
  const to = [0, 1].map((i) => Math.min(Math.floor(region[i + 2] / step), last[i]));
  const squares = [];
  for (let row = from[1]; row <= to[1]; row++) {
    for (let column = from[0]; column <= to[0]; column++) {
      const [left, top] = [column * step, row * step];
      const bounds = [left, top, Math.min(left + step, size.width), Math.min(top + step, size.height)];
      squares.push({ level, column, row, bounds });
    }
  }
  const [mx, my] = [(region[0] + region[2]) / 2, (region[1] + region[3]) / 2];
  const away = ({ bounds: [l, t, r, b] }) => Math.hypot((l + r) / 2 - mx, (t + b) / 2 - my);
  return squares.sort((a, b) => away(a) - away(b));
}

const nameOf = ({ level, column, row }) => `${level}/${column}/${row}`;

export class Tiles {
  /** `item.tiles` is {url, side, levels}. `changed(region)` is called when a square has come. */
  constructor(item, { changed }) {
    this.item = item;
    this.plan = item.tiles;
    this.changed = changed;
    this.loaded = new Map(); // name → {square, image}, the longest unused first
    this.loading = new Set();
    this.wanted = [];
    this.isOpen = true;
  }

  /** Loads what the viewport shows, and forgets what waits but is no longer in view. */
  want(viewport, ratio) {
    const level = levelFor(viewport.scale * ratio, this.plan.levels);
    const found = level === null ? [] : squaresIn(viewport.size, this.plan, level, viewport.region());
    this.wanted = found.filter((square) => !this.loaded.has(nameOf(square)) && !this.loading.has(nameOf(square)));
    this.#next();
  }

  #next() {
    while (this.isOpen && this.wanted.length && this.loading.size < AT_ONCE) this.#load(this.wanted.shift());
  }

  async #load(square) {
    const name = nameOf(square);
    this.loading.add(name);
    const image = new Image();
    image.decoding = "async";
    image.src = this.plan.url.replace(/\{(\w+)\}/g, (_whole, part) => square[part]);
    try {
      await image.decode();
      if (!this.isOpen) return;
      this.loaded.set(name, { square, image });
      for (const old of [...this.loaded.keys()].slice(0, Math.max(this.loaded.size - KEPT, 0))) this.loaded.delete(old);
      this.changed(square.bounds);
    } catch (error) {
      // The coarse picture stays; the next look at this place asks again.
      console.info("A tile could not be loaded:", name, error.message);
    } finally {
      this.loading.delete(name);
      this.#next();
    }
  }

  /** Draws the squares of a region that are there: coarse ones first, so that finer ones lie over them. */
  draw(context, viewport, region) {
    const ratio = ratioOf(context);
    const finest = levelFor(viewport.scale * ratio, this.plan.levels);
    if (finest === null) return;
    for (let level = this.plan.levels - 1; level >= finest; level--) {
      context.imageSmoothingEnabled = viewport.scale * ratio * 2 ** level < 4;
      for (const square of squaresIn(viewport.size, this.plan, level, region)) this.#drawSquare(context, viewport, square);
    }
  }

  #drawSquare(context, viewport, square) {
    const name = nameOf(square);
    const found = this.loaded.get(name);
    if (!found) return;
    this.loaded.delete(name);
    this.loaded.set(name, found);
    // On whole pixels of the screen, so that no seam shows between two squares.
    const [first, last] = [square.bounds.slice(0, 2), square.bounds.slice(2)].map((point) => viewport.toScreen(point));
    const [left, top, right, bottom] = onPixels(context, first, last);
    context.drawImage(found.image, left, top, right - left, bottom - top);
  }

  close() {
    this.isOpen = false;
    this.wanted = [];
    this.loaded.clear();
  }
}
