// The handles of the selected box and the points of the selected polygon: finding, dragging and drawing them.

import { boundsOf, contains, handlesOf, moveVertex, resizeBox, ringsOf } from "../geometry.js";
import { handleAt, vertexAt } from "../hit.js";
import { drawHandle, drawPoint } from "../render.js";

/** How near a pointer has to come, in CSS pixels: fingers and pens are less exact than a mouse. */
const REACH = { mouse: 9, coarse: 24 };
/** With a drawing tool in hand a new shape may begin close to the selected one. */
const REACH_WHILE_DRAWING = 6;
/** Inside a shape a grip takes at most this part of its shorter side, so that even a small one can be moved. */
const INSIDE = 1 / 4;
const DRAG_FROM = 3;
const CURSORS = { n: "ns", s: "ns", e: "ew", w: "ew", nw: "nwse", se: "nwse", ne: "nesw", sw: "nesw" };

/** Reach of a pointer event in CSS pixels. */
export const reachOf = (event) => (event?.pointerType === "touch" || event?.pointerType === "pen" ? REACH.coarse : REACH.mouse);

export class Grips {
  /** `desk` gives store, stage and `preview`. With `drawing`, a drawing tool is in hand. */
  constructor(desk, { drawing = false } = {}) {
    this.desk = desk;
    this.drawing = drawing;
    this.drag = null;
  }

  get isDragging() {
    return this.drag !== null;
  }

  /** The grip of the selected annotation under a point, {one, handle} or {one, vertex}, or null. Ctrl looks past grips. */
  at(point, event) {
    const { store, stage } = this.desk;
    const one = store.selection;
    if (!one || !store.canEdit(one.id) || (this.drawing && (event?.ctrlKey || event?.metaKey))) return null;
    const coarse = reachOf(event);
    const reach = stage.reach(this.drawing && coarse === REACH.mouse ? REACH_WHILE_DRAWING : coarse);
    const near = contains(one, point) ? Math.min(reach, shorterSide(one) * INSIDE) : reach;
    const found = one.box ? handleAt(one.box, point, near) : vertexAt(one.polygon, point, near);
    if (!found) return null;
    return one.box ? { one, handle: found } : { one, vertex: found };
  }

  begin(grip, point) {
    this.drag = { ...grip, from: point, started: false };
  }

  move(point) {
    const { desk, drag } = this;
    drag.started ||= Math.hypot(point[0] - drag.from[0], point[1] - drag.from[1]) >= desk.stage.reach(DRAG_FROM);
    if (!drag.started) return;
    const shown = gripMoved(drag.one, drag, point, desk.store.size);
    if (shown) desk.show([shown]);
  }

  end() {
    const { preview, store } = this.desk;
    this.cancel();
    if (preview) store.replace(preview.map(this.desk.sound).filter((one) => one !== null));
  }

  cancel() {
    const was = this.isDragging;
    this.drag = null;
    this.desk.show(null);
    return was;
  }

  /** The cursor over a grip, or null. */
  cursorAt(point, event) {
    const grip = this.at(point, event);
    return grip && (grip.handle ? `${CURSORS[grip.handle]}-resize` : "pointer");
  }
}

/** The annotation with a handle or a vertex at a point; null where it would lose its area. */
export function gripMoved(one, { handle, vertex }, point, size) {
  if (handle) {
    const box = resizeBox(one.box, handle, point, size);
    return box && { ...one, box };
  }
  const polygon = moveVertex(one.polygon, vertex, point, size);
  return polygon && { ...one, polygon };
}

/** Where a grip is, in image pixels. */
export function gripPoint(one, { handle, vertex }) {
  if (handle) return handlesOf(one.box)[handle];
  const part = one.polygon.parts[vertex.part];
  return (vertex.hole < 0 ? part.outer : part.holes[vertex.hole])[vertex.index];
}

/** Handles in the middle of shorter sides than this, and points nearer to the one before, would only hide the shape. */
const ROOM = { handle: 36, point: 6 };

/** The grips of a selected annotation; the `active` one, which the arrow keys move, is larger. */
export function drawGrips(context, one, viewport, colour, active = null) {
  if (one.box) drawHandles(context, one.box, viewport, colour);
  else drawPoints(context, one.polygon, viewport, colour);
  if (!active) return;
  drawPoint(context, viewport.toScreen(gripPoint(one, active)), colour, 7);
}

/** A frame round each of very many annotations, as one path: cheap. */
export function drawFrames(context, ones, viewport) {
  context.beginPath();
  for (const one of ones) {
    const [left, top, right, bottom] = boundsOf(one);
    const [x, y] = viewport.toScreen([left, top]);
    context.rect(x - 2, y - 2, (right - left) * viewport.scale + 4, (bottom - top) * viewport.scale + 4);
  }
  context.setLineDash([3, 3]);
  context.strokeStyle = "#ffffff";
  context.lineWidth = 1;
  context.stroke();
  context.setLineDash([]);
}

function drawHandles(context, box, viewport, colour) {
  for (const [name, point] of Object.entries(handlesOf(box))) {
    const side = name === "n" || name === "s" ? box.width : name === "e" || name === "w" ? box.height : Infinity;
    if (side * viewport.scale >= ROOM.handle) drawHandle(context, viewport.toScreen(point), colour);
  }
}

function drawPoints(context, polygon, viewport, colour) {
  for (const [ring] of ringsOf(polygon)) {
    let before = null;
    for (const point of ring) {
      const at = viewport.toScreen(point);
      if (before && Math.hypot(at[0] - before[0], at[1] - before[1]) < ROOM.point) continue;
      drawPoint(context, at, colour);
      before = at;
    }
  }
}

function shorterSide(one) {
  if (one.box) return Math.min(one.box.width, one.box.height);
  const points = one.polygon.parts.flatMap((part) => part.outer);
  const span = (axis) => Math.max(...points.map((p) => p[axis])) - Math.min(...points.map((p) => p[axis]));
  return Math.min(span(0), span(1));
}
