// Shapes in oriented image pixels: origin top left, x right, y down, floats. Pure functions; nothing here changes its input.
//
// A box is {x, y, width, height}. A polygon is {parts: [{outer: [[x, y], …], holes: [[[x, y], …], …]}]}; rings are not
// closed by a repeated point.

/** No side and no square root of an area below this many pixels: the server refuses such shapes too. */
export const MIN_SIDE = 0.01;

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** Coordinates are kept to a hundredth of a pixel: finer than any hand, and equal after a trip through JSON. */
export const round = (value) => Math.round(value * 100) / 100;

/** The point nearest to [x, y] inside an image of this size. */
export const clampPoint = ([x, y], size) => [clamp(x, 0, size.width), clamp(y, 0, size.height)];

/** The box between two corners, cut to the image; null where nothing with an area is left. */
export function boxFromCorners(a, b, size) {
  const [ax, ay] = clampPoint(a, size);
  const [bx, by] = clampPoint(b, size);
  const box = { x: round(Math.min(ax, bx)), y: round(Math.min(ay, by)) };
  box.width = round(Math.max(ax, bx) - box.x);
  box.height = round(Math.max(ay, by) - box.y);
  return box.width < MIN_SIDE || box.height < MIN_SIDE ? null : box;
}

/** A box of this size around a centre, pushed inside the image; cut only where it is larger than the image. */
export function boxAround([x, y], extent, size) {
  const width = Math.min(extent.width, size.width);
  const height = Math.min(extent.height, size.height);
  return {
    x: round(clamp(x - width / 2, 0, size.width - width)),
    y: round(clamp(y - height / 2, 0, size.height - height)),
    width: round(width),
    height: round(height),
  };
}

/** The eight handles of a box by compass name. */
export function handlesOf({ x, y, width, height }) {
  const midX = x + width / 2;
  const midY = y + height / 2;
  return {
    nw: [x, y], n: [midX, y], ne: [x + width, y], e: [x + width, midY],
    se: [x + width, y + height], s: [midX, y + height], sw: [x, y + height], w: [x, midY],
  };
}

/** The box with one handle dragged to a point. Dragging across the opposite side turns it over; null without area. */
export function resizeBox(box, handle, [px, py], size) {
  const right = box.x + box.width;
  const bottom = box.y + box.height;
  const a = [handle.includes("w") ? px : box.x, handle.includes("n") ? py : box.y];
  const b = [handle.includes("e") ? px : right, handle.includes("s") ? py : bottom];
  return boxFromCorners(a, b, size);
}

/** Twice the signed area of a ring, by the shoelace formula relative to its first point. */
function doubleArea(ring) {
  const [x0, y0] = ring[0];
  let total = 0;
  for (let i = 1; i < ring.length - 1; i++) {
    total += (ring[i][0] - x0) * (ring[i + 1][1] - y0) - (ring[i + 1][0] - x0) * (ring[i][1] - y0);
  }
  return total;
}

/** Area of a ring in square pixels; 0 below three points. */
export const ringArea = (ring) => (ring.length < 3 ? 0 : Math.abs(doubleArea(ring)) / 2);

/** The ring without points that repeat their predecessor, the last and the first included. */
export function withoutRepeats(ring) {
  const same = (a, b) => a[0] === b[0] && a[1] === b[1];
  const kept = ring.filter((point, i) => i === 0 || !same(point, ring[i - 1]));
  while (kept.length > 1 && same(kept[0], kept[kept.length - 1])) kept.pop();
  return kept;
}

/** A one-part polygon of these points, kept inside the image; null below three points or without area. */
export function polygonFromRing(points, size) {
  const ring = withoutRepeats(points.map((point) => clampPoint(point, size).map(round)));
  if (ring.length < 3 || ringArea(ring) < MIN_SIDE * MIN_SIDE) return null;
  return { parts: [{ outer: ring, holes: [] }] };
}

/** Every ring of a polygon with its address, [part, hole]; hole is -1 for the outer ring. */
export function* ringsOf(polygon) {
  for (const [part, { outer, holes }] of polygon.parts.entries()) {
    yield [outer, part, -1];
    for (const [hole, ring] of holes.entries()) yield [ring, part, hole];
  }
}

/** The polygon with one ring replaced by what `change` makes of it. */
function withRing(polygon, part, hole, change) {
  const parts = polygon.parts.map((one, p) => {
    if (p !== part) return one;
    if (hole < 0) return { ...one, outer: change(one.outer) };
    return { ...one, holes: one.holes.map((ring, h) => (h === hole ? change(ring) : ring)) };
  });
  return { parts };
}

/** A vertex is addressed as {part, hole, index}. Null where the ring would lose its area. */
export function moveVertex(polygon, { part, hole, index }, point, size) {
  const target = clampPoint(point, size).map(round);
  return sound(withRing(polygon, part, hole, (ring) => ring.map((old, i) => (i === index ? target : old))), part, hole);
}

/** A new vertex after the one at `index`. */
export function insertVertex(polygon, { part, hole, index }, point, size) {
  const target = clampPoint(point, size).map(round);
  return withRing(polygon, part, hole, (ring) => [...ring.slice(0, index + 1), target, ...ring.slice(index + 1)]);
}

/** The polygon without a vertex; null where fewer than three or no area would remain. */
export function removeVertex(polygon, { part, hole, index }) {
  return sound(withRing(polygon, part, hole, (ring) => ring.filter((_, i) => i !== index)), part, hole);
}

function sound(polygon, part, hole) {
  const ring = hole < 0 ? polygon.parts[part].outer : polygon.parts[part].holes[hole];
  return ring.length < 3 || ringArea(ring) < MIN_SIDE * MIN_SIDE ? null : polygon;
}

/** Left, top, right, bottom of an annotation's shape, cached for as long as the shape object lives. */
const boundsCache = new WeakMap();
export function boundsOf(annotation) {
  const shape = annotation.box ?? annotation.polygon;
  let bounds = boundsCache.get(shape);
  if (!bounds) {
    bounds = annotation.box ? boxBounds(shape) : polygonBounds(shape);
    boundsCache.set(shape, bounds);
  }
  return bounds;
}

const boxBounds = ({ x, y, width, height }) => [x, y, x + width, y + height];

function polygonBounds(polygon) {
  const bounds = [Infinity, Infinity, -Infinity, -Infinity];
  for (const { outer } of polygon.parts) {
    for (const [x, y] of outer) {
      bounds[0] = Math.min(bounds[0], x);
      bounds[1] = Math.min(bounds[1], y);
      bounds[2] = Math.max(bounds[2], x);
      bounds[3] = Math.max(bounds[3], y);
    }
  }
  return bounds;
}

/** The annotation moved by (dx, dy) as far as the image allows; its shape keeps its size. */
export const moved = (annotation, dx, dy, size) => movedTogether([annotation], dx, dy, size)[0];

/** Annotations moved by (dx, dy) as far as the image allows all of them; they keep their sizes and distances. */
export function movedTogether(annotations, dx, dy, size) {
  const [left, top, right, bottom] = boundsOfAll(annotations);
  const x = clamp(dx, -left, Math.max(size.width - right, -left));
  const y = clamp(dy, -top, Math.max(size.height - bottom, -top));
  return annotations.map((one) => shifted(one, x, y));
}

function shifted(annotation, x, y) {
  if (annotation.box) {
    return { ...annotation, box: { ...annotation.box, x: round(annotation.box.x + x), y: round(annotation.box.y + y) } };
  }
  const shift = (ring) => ring.map(([px, py]) => [round(px + x), round(py + y)]);
  const parts = annotation.polygon.parts.map(({ outer, holes }) => ({ outer: shift(outer), holes: holes.map(shift) }));
  return { ...annotation, polygon: { parts } };
}

/** Left, top, right, bottom around all of these annotations. */
export const boundsOfAll = (annotations) =>
  annotations.map(boundsOf).reduce((a, b) => [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3])]);

/** Whether two rectangles [left, top, right, bottom] share an area. */
export const overlap = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];

/** Whether a point lies inside a ring, by the even-odd rule. */
function inRing([x, y], ring) {
  let inside = false;
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
    const [ax, ay] = ring[i];
    const [bx, by] = ring[j];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
  }
  return inside;
}

/** Whether a point lies in the annotation's shape; holes are outside. */
export function contains(annotation, point) {
  const [left, top, right, bottom] = boundsOf(annotation);
  if (point[0] < left || point[0] > right || point[1] < top || point[1] > bottom) return false;
  if (annotation.box) return true;
  return annotation.polygon.parts.some((part) => inRing(point, part.outer) && !part.holes.some((hole) => inRing(point, hole)));
}

/** The nearest point to `p` on the segment a–b, and its squared distance. */
export function nearestOnSegment(p, a, b) {
  const dx = b[0] - a[0];
  const dy = b[1] - a[1];
  const length = dx * dx + dy * dy;
  const t = length === 0 ? 0 : clamp(((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / length, 0, 1);
  const point = [a[0] + t * dx, a[1] + t * dy];
  return { point, distance2: (p[0] - point[0]) ** 2 + (p[1] - point[1]) ** 2 };
}

/**
 * The points of a line that matter: no left-out point lay farther than `tolerance` from what is left. The ends stay.
 * Douglas and Peucker, "Algorithms for the reduction of the number of points required to represent a digitized line or
 * its caricature", Cartographica 10 (1973).
 */
export function simplified(points, tolerance) {
  const keep = new Set([0, points.length - 1]);
  const open = [[0, points.length - 1]];
  while (open.length) {
    const [from, to] = open.pop();
    let [farthest, at] = [tolerance * tolerance, -1];
    for (let i = from + 1; i < to; i++) {
      const { distance2 } = nearestOnSegment(points[i], points[from], points[to]);
      if (distance2 > farthest) [farthest, at] = [distance2, i];
    }
    if (at < 0) continue;
    keep.add(at);
    open.push([from, at], [at, to]);
  }
  return points.filter((_, i) => keep.has(i));
}
