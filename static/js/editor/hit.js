// What lies under a point. All distances are in image pixels: divide screen pixels by the viewport's scale first.

import { boundsOf, contains, handlesOf, nearestOnSegment, ringsOf } from "./geometry.js";
import { searchIn } from "./spatial.js";

/** The name of the box handle within reach, nearest first; null where none is. */
export function handleAt(box, [x, y], reach) {
  let best = null;
  let nearest = reach * reach;
  for (const [name, [hx, hy]] of Object.entries(handlesOf(box))) {
    const distance2 = (x - hx) ** 2 + (y - hy) ** 2;
    if (distance2 <= nearest) [best, nearest] = [name, distance2];
  }
  return best;
}

/** The address {part, hole, index} of the nearest vertex within reach, or null. */
export function vertexAt(polygon, [x, y], reach) {
  let best = null;
  let nearest = reach * reach;
  for (const [ring, part, hole] of ringsOf(polygon)) {
    for (const [index, [vx, vy]] of ring.entries()) {
      const distance2 = (x - vx) ** 2 + (y - vy) ** 2;
      if (distance2 <= nearest) [best, nearest] = [{ part, hole, index }, distance2];
    }
  }
  return best;
}

/** The edge within reach as {part, hole, index, point}: it runs from vertex `index` to the next; null where none is. */
export function edgeAt(polygon, point, reach) {
  let best = null;
  let nearest = reach * reach;
  for (const [ring, part, hole] of ringsOf(polygon)) {
    for (const [index, start] of ring.entries()) {
      const found = nearestOnSegment(point, start, ring[(index + 1) % ring.length]);
      if (found.distance2 <= nearest) [best, nearest] = [{ part, hole, index, point: found.point }, found.distance2];
    }
  }
  return best;
}

/**
 * The annotation under a point, or null. One whose border is within reach or that contains the point is a candidate; the
 * smallest wins, so that a small object inside or below a large one can always be picked; among equals the topmost.
 */
export function annotationAt(annotations, point, reach) {
  let best = null;
  let smallest = Infinity;
  const near = [point[0] - reach, point[1] - reach, point[0] + reach, point[1] + reach];
  for (const one of searchIn(annotations, near)) {
    const [left, top, right, bottom] = boundsOf(one);
    if (!contains(one, point) && !(one.box || edgeAt(one.polygon, point, reach))) continue;
    const extent = (right - left) * (bottom - top);
    if (extent <= smallest) [best, smallest] = [one, extent];
  }
  return best;
}
