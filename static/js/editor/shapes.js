// The annotations that nobody is working on right now, as a layer of the stage. Each is drawn with as much detail as its
// size on the screen deserves; a change redraws only where it happened.

import { detailOf } from "./detail.js";
import { boundsOf } from "./geometry.js";
import { Layer } from "./layers.js";
import { drawName, fillSoft, strokeSeen, trace } from "./render.js";
import { difference, searchIn, touches } from "./spatial.js";

/** A light and a dark line beside each outline, while at most so many show. */
const HALO_UP_TO = 800;
const NAMES_UP_TO = 300;
/** How far strokes and names reach beyond a shape, in CSS pixels. */
const REACH = 32;
/** More changes than this at once: everything is drawn again. */
const MOST_PATCHES = 40;

const grown = ([left, top, right, bottom], by) => [left - by, top - by, right + by, bottom + by];

export class ShapeLayer {
  constructor(canvas) {
    this.layer = new Layer(canvas, (context, view, region) => this.#draw(context, view, region));
    this.scene = null;
  }

  /**
   * Shows a scene: {annotations, except, colourOf, textOf, dashOf, isOpen, names, outline, style}. `except` is a set of
   * ids that are drawn elsewhere; colourOf takes a class id; of an annotation, textOf is what stands on it, dashOf its line
   * pattern, [] for none, isOpen whether it is left unfilled. `style` changes whenever anything but the list and `except`
   * does.
   */
  paint(scene, viewport, ratio, moving) {
    const before = this.scene;
    this.scene = scene;
    if (!before || before.style !== scene.style) this.layer.invalidate();
    else this.#compare(before, scene, viewport.scale);
    this.layer.paint(viewport, ratio, moving);
  }

  #compare(before, scene, scale) {
    const { removed, added, reordered } = difference(before.annotations, scene.annotations);
    const changed = [...removed.filter((one) => !before.except.has(one.id)), ...added.filter((one) => !scene.except.has(one.id))];
    const swapped = (id) => before.except.has(id) !== scene.except.has(id);
    if ([...before.except, ...scene.except].some(swapped)) changed.push(...scene.annotations.filter((one) => swapped(one.id)));
    if (reordered || changed.length > MOST_PATCHES) this.layer.invalidate();
    else for (const one of changed) this.layer.invalidateRegion(grown(boundsOf(one), REACH / (this.layer.drawn?.scale ?? scale)));
  }

  #draw(context, view, region) {
    const { scene } = this;
    const near = grown(region, REACH / view.scale);
    const found = searchIn(scene.annotations, near).filter((one) => !scene.except.has(one.id));
    // How much is drawn is decided where everything is drawn, and kept for what is patched in later.
    if (!this.layer.patches.length) this.#decide(found, view);
    const blocks = new Map();
    let points = 0;
    for (const one of found) {
      const [left, top, right, bottom] = boundsOf(one);
      const detail = detailOf(Math.max(right - left, bottom - top) * view.scale, !this.hasHalo);
      if (detail === "block") push(blocks, scene.colourOf(one.label_class), one);
      else points += this.#outline(context, one, view, detail);
    }
    context.setLineDash([]);
    drawBlocks(context, blocks, view);
    if (scene.names && this.hasNames) for (const one of found) drawName(context, one, view, scene.colourOf(one.label_class), scene.textOf(one));
    return points * (this.hasHalo ? 3 : 1) + found.length;
  }

  #decide(found, view) {
    const seen = view.region();
    let shown = 0;
    for (const one of found) if (touches(boundsOf(one), seen)) shown += 1;
    this.hasHalo = shown <= HALO_UP_TO;
    this.hasNames = shown <= NAMES_UP_TO;
  }

  #outline(context, one, view, detail) {
    const { scene } = this;
    const colour = scene.colourOf(one.label_class);
    const points = trace(context, one, view, detail === "thin" ? 2 : 0.75);
    if (!scene.outline && detail !== "thin" && !scene.isOpen(one)) fillSoft(context, colour, 0.14);
    context.setLineDash(scene.dashOf(one));
    if (detail === "halo") strokeSeen(context, colour);
    else {
      context.lineJoin = "miter";
      context.strokeStyle = colour;
      context.lineWidth = detail === "thin" ? 1 : 1.5;
      context.stroke();
    }
    return points;
  }
}

function push(map, key, value) {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}

/** Small shapes: rectangles of at least two pixels, so that none is lost from sight. */
function drawBlocks(context, blocks, { scale, x, y }) {
  context.globalAlpha = 0.8;
  for (const [colour, list] of blocks) {
    context.fillStyle = colour;
    for (const one of list) {
      const [left, top, right, bottom] = boundsOf(one);
      context.fillRect(left * scale + x, top * scale + y, Math.max((right - left) * scale, 2), Math.max((bottom - top) * scale, 2));
    }
  }
  context.globalAlpha = 1;
}
