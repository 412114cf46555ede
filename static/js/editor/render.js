// Draws onto canvases, in coordinates of the view (viewport.js). Everything takes what it needs as arguments; widths and
// text sizes are CSS pixels. Text and marks stay upright when the view is turned.

import { inkOn } from "../colours.js";
import { boundsOf } from "./geometry.js";

const FONT = "12px system-ui, sans-serif";

/** Clears a canvas and returns its context in coordinates of the view. */
export function cleared(canvas, ratio, viewport = null) {
  const context = canvas.getContext("2d");
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.setTransform(...(viewport ? viewport.matrix(ratio) : [ratio, 0, 0, ratio, 0, 0]));
  return context;
}

/** Calls `draw` with the origin at a point of the view and the axes of the stage, however the view is turned. */
export function upright(context, [x, y], draw) {
  const ratio = ratioOf(context);
  const at = context.getTransform().transformPoint({ x, y });
  context.save();
  context.setTransform(ratio, 0, 0, ratio, at.x, at.y);
  draw();
  context.restore();
}

/** Canvas work of a picture, in the measure that layers use: always worth keeping. */
export const EXPENSIVE = 1e6;

/** Draws `source`, the whole image at any resolution, at its place; crisp where its pixels get large. */
export function drawWhole(context, source, viewport) {
  const { x, y, scale, size } = viewport;
  const pixel = (scale * size.width * ratioOf(context)) / (source.naturalWidth ?? source.width);
  context.imageSmoothingEnabled = pixel < 4;
  // Larger, the costlier filter shows no more than the plain one.
  context.imageSmoothingQuality = pixel < 1 ? "high" : "low";
  context.drawImage(source, x, y, size.width * scale, size.height * scale);
}

/** Device pixels per CSS pixel of a context in coordinates of the view. */
export function ratioOf(context) {
  const { a, b } = context.getTransform();
  return Math.hypot(a, b);
}

/** The rectangle between two points of the view on whole pixels of the canvas: `round` is Math.round or one each way. */
export function onPixels(context, from, to, [down, up] = [Math.round, Math.round]) {
  const matrix = context.getTransform();
  const inverse = matrix.inverse();
  const [a, b] = [from, to].map(([x, y]) => matrix.transformPoint({ x, y }));
  const low = inverse.transformPoint({ x: down(Math.min(a.x, b.x)), y: down(Math.min(a.y, b.y)) });
  const high = inverse.transformPoint({ x: up(Math.max(a.x, b.x)), y: up(Math.max(a.y, b.y)) });
  return [Math.min(low.x, high.x), Math.min(low.y, high.y), Math.max(low.x, high.x), Math.max(low.y, high.y)];
}

/** Adds the outline of an annotation to a new path. Points nearer than `least` to the one before are left out. */
export function trace(context, annotation, viewport, least = 0) {
  context.beginPath();
  if (annotation.box) {
    const { x, y, width, height } = annotation.box;
    const [left, top] = viewport.toScreen([x, y]);
    context.rect(left, top, width * viewport.scale, height * viewport.scale);
    return 4;
  }
  let points = 0;
  for (const { outer, holes } of annotation.polygon.parts) {
    points += traceRing(context, outer, viewport, least);
    for (const hole of holes) points += traceRing(context, hole, viewport, least);
  }
  return points;
}

function traceRing(context, ring, { scale, x, y }, least) {
  let [lastX, lastY, points] = [Infinity, Infinity, 0];
  for (let i = 0; i < ring.length; i++) {
    const px = ring[i][0] * scale + x;
    const py = ring[i][1] * scale + y;
    if (i === 0) context.moveTo(px, py);
    else if (Math.abs(px - lastX) >= least || Math.abs(py - lastY) >= least) context.lineTo(px, py);
    else continue;
    [lastX, lastY] = [px, py];
    points += 1;
  }
  context.closePath();
  return points;
}

/** Adds a line through points of the image to the current path. */
export function tracePath(context, points, viewport, closed) {
  for (const [i, point] of points.entries()) {
    const [x, y] = viewport.toScreen(point);
    if (i === 0) context.moveTo(x, y);
    else context.lineTo(x, y);
  }
  if (closed) context.closePath();
}

/** A line of the class's colour over a light and a dark one, so that it shows on any image. */
export function strokeSeen(context, colour, width = 2) {
  context.lineJoin = "round";
  context.strokeStyle = "rgb(0 0 0 / 0.55)";
  context.lineWidth = width + 2.5;
  context.stroke();
  context.strokeStyle = "rgb(255 255 255 / 0.75)";
  context.lineWidth = width + 1;
  context.stroke();
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke();
}

/** The inside of the current path, with holes left out. */
export function fillSoft(context, colour, alpha) {
  context.globalAlpha = alpha;
  context.fillStyle = colour;
  context.fill("evenodd");
  context.globalAlpha = 1;
}

/** The class name on a tab above the top left corner of the shape, as it is seen. */
export function drawName(context, annotation, viewport, colour, name) {
  const [left, top, right, bottom] = boundsOf(annotation);
  const { scale, size, turn } = viewport;
  const width = (turn % 2 ? bottom - top : right - left) * scale;
  if (width < 24) return;
  const corner = [[left, top], [left, bottom], [right, bottom], [right, top]][turn];
  // Where the image ends right above there would be no room for the tab while the whole image shows.
  const above = [top, left, size.height - bottom, size.width - right][turn] * scale;
  upright(context, viewport.toScreen(corner), () => drawTab(context, above < 6 ? 0 : -18, colour, name, Math.max(width - 8, 40)));
}

function drawTab(context, top, colour, name, room) {
  context.font = FONT;
  const text = fitted(context, name, room);
  context.fillStyle = colour;
  context.fillRect(-1, top, context.measureText(text).width + 10, 18);
  context.fillStyle = inkOn(colour);
  context.textBaseline = "middle";
  context.fillText(text, 4, top + 9.5);
}

/** A short text on a dark plate, its corner `right` and `below` a point of the view. */
export function drawLabel(context, point, text, { right = 12, below = 14 } = {}) {
  upright(context, point, () => {
    context.font = FONT;
    context.fillStyle = "rgb(20 24 28 / 0.85)";
    context.fillRect(right, below, context.measureText(text).width + 10, 20);
    context.fillStyle = "#ffffff";
    context.textBaseline = "middle";
    context.fillText(text, right + 5, below + 10.5);
  });
}

function fitted(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  let cut = text;
  while (cut.length > 1 && context.measureText(`${cut}…`).width > width) cut = cut.slice(0, -1);
  return `${cut}…`;
}

/** A selected annotation: stronger. Its handles and points are drawn by tools/grips.js. */
export function drawSelected(context, annotation, viewport, { colour, name, names, dash = [] }) {
  trace(context, annotation, viewport);
  fillSoft(context, colour, 0.24);
  context.setLineDash(dash);
  strokeSeen(context, colour, 2.5);
  context.setLineDash([]);
  if (names) drawName(context, annotation, viewport, colour, name);
}

/** A square handle of a box. */
export function drawHandle(context, [x, y], colour) {
  context.fillStyle = "#ffffff";
  context.strokeStyle = inkOn(colour) === "#000000" ? "#222222" : colour;
  context.lineWidth = 1.5;
  context.fillRect(x - 4, y - 4, 8, 8);
  context.strokeRect(x - 4, y - 4, 8, 8);
}

/** A round point of a polygon; larger when it is the one that something will happen to. */
export function drawPoint(context, [x, y], colour, radius = 4) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = "#ffffff";
  context.fill();
  context.strokeStyle = inkOn(colour) === "#000000" ? "#222222" : colour;
  context.lineWidth = 1.5;
  context.stroke();
}

/** Where the × of an annotation sits on the screen: outside its top right corner, pulled onto the stage. */
export function closeAt(annotation, viewport) {
  const [, top, right] = boundsOf(annotation);
  const [x, y] = viewport.toScreen([right, top]);
  return [Math.min(Math.max(x + 15, 14), viewport.screen.width - 14), Math.min(Math.max(y - 15, 14), viewport.screen.height - 14)];
}

export function drawClose(context, [x, y]) {
  context.beginPath();
  context.arc(x, y, 9, 0, 2 * Math.PI);
  context.fillStyle = "rgb(20 24 28 / 0.88)";
  context.fill();
  context.strokeStyle = "#ffffff";
  context.lineWidth = 1.75;
  context.stroke();
  context.beginPath();
  context.moveTo(x - 3.2, y - 3.2);
  context.lineTo(x + 3.2, y + 3.2);
  context.moveTo(x + 3.2, y - 3.2);
  context.lineTo(x - 3.2, y + 3.2);
  context.stroke();
}

/** Whether tools that draw show lines through the pointer: a matter of taste, for the whole page. */
export const crosshair = { shown: true };

/** Thin lines through the pointer over the whole stage. */
export function drawCrosshair(context, [x, y], screen) {
  if (!crosshair.shown) return;
  context.lineWidth = 1;
  for (const [style, shift] of [["rgb(0 0 0 / 0.5)", 0.5], ["rgb(255 255 255 / 0.7)", -0.5]]) {
    context.strokeStyle = style;
    context.beginPath();
    context.moveTo(x + shift, 0);
    context.lineTo(x + shift, screen.height);
    context.moveTo(0, y + shift);
    context.lineTo(screen.width, y + shift);
    context.stroke();
  }
}
