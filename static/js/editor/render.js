// Draws onto canvases. Everything takes what it needs as arguments; widths and text sizes are screen pixels.

import { inkOn } from "../colours.js";
import { boundsOf, ringsOf } from "./geometry.js";

const HALO_UP_TO = 800;
const NAMES_UP_TO = 300;
const FONT = "12px system-ui, sans-serif";

/** Clears a canvas and returns its context in CSS pixels. */
export function cleared(canvas, ratio) {
  const context = canvas.getContext("2d");
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

/** Draws a rendition of any resolution as the full-size image, crisp when the pixels get large. */
export function drawImage(canvas, image, viewport, ratio) {
  const context = cleared(canvas, ratio);
  if (!image) return;
  const { x, y, scale, size } = viewport;
  context.imageSmoothingEnabled = (scale * ratio * size.width) / image.naturalWidth < 4;
  context.imageSmoothingQuality = "high";
  context.drawImage(image, x, y, size.width * scale, size.height * scale);
}

function trace(context, annotation, viewport) {
  context.beginPath();
  if (annotation.box) {
    const { x, y, width, height } = annotation.box;
    const [left, top] = viewport.toScreen([x, y]);
    context.rect(left, top, width * viewport.scale, height * viewport.scale);
    return;
  }
  for (const [ring] of ringsOf(annotation.polygon)) tracePath(context, ring, viewport, true);
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

function isInView([left, top, right, bottom], viewport) {
  const [x0, y0] = viewport.toImage([0, 0]);
  const [x1, y1] = viewport.toImage([viewport.screen.width, viewport.screen.height]);
  return right >= x0 && left <= x1 && bottom >= y0 && top <= y1;
}

/**
 * All annotations but those with ids in `except`. `colourOf` and `nameOf` take a class id; `dashOf` gives the line
 * pattern of an annotation, [] for none.
 */
export function drawAnnotations(context, annotations, viewport, { colourOf, nameOf, dashOf, names, fill, except }) {
  const shown = annotations.filter((one) => !except.has(one.id) && isInView(boundsOf(one), viewport));
  for (const one of shown) {
    const colour = colourOf(one.label_class);
    context.setLineDash(dashOf(one));
    trace(context, one, viewport);
    if (fill) fillSoft(context, colour, 0.14);
    if (shown.length <= HALO_UP_TO) strokeSeen(context, colour);
    else strokePlain(context, colour);
  }
  context.setLineDash([]);
  if (names && shown.length <= NAMES_UP_TO) {
    for (const one of shown) drawName(context, one, viewport, colourOf(one.label_class), nameOf(one.label_class));
  }
}

function fillSoft(context, colour, alpha) {
  context.globalAlpha = alpha;
  context.fillStyle = colour;
  context.fill("evenodd");
  context.globalAlpha = 1;
}

function strokePlain(context, colour) {
  context.strokeStyle = colour;
  context.lineWidth = 1.5;
  context.stroke();
}

/** The class name on a tab above the top left corner of the shape. */
export function drawName(context, annotation, viewport, colour, name) {
  const [left, top, right] = boundsOf(annotation);
  const [x, y] = viewport.toScreen([left, top]);
  const width = (right - left) * viewport.scale;
  if (width < 24) return;
  context.font = FONT;
  const text = fitted(context, name, Math.max(width - 8, 40));
  const tabTop = y < 18 ? y : y - 18;
  context.fillStyle = colour;
  context.fillRect(x - 1, tabTop, context.measureText(text).width + 10, 18);
  context.fillStyle = inkOn(colour);
  context.textBaseline = "middle";
  context.fillText(text, x + 4, tabTop + 9.5);
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

/** Thin lines through the pointer over the whole stage. */
export function drawCrosshair(context, [x, y], screen) {
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
