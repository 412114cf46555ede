// Borders that neighbouring polygons share: a point close to a neighbour's border goes onto it, and a drawing can follow
// that border from one such point to the next. Distances are image pixels.

import { boundsOf, nearestOnSegment, ringsOf, round } from "./geometry.js";

/**
 * The place on the borders of these annotations nearest to a point within reach: {point, id, part, hole, index, t}, where
 * the point lies on the edge from vertex `index` to the next, `t` (0 to 1) of the way; null where none is. A vertex wins
 * over an edge.
 */
export function nearestBorder(annotations, point, reach) {
  let [vertex, edge] = [null, null];
  let [vertexAt, edgeAt] = [reach * reach, reach * reach];
  for (const one of annotations) {
    if (!one.polygon) continue;
    const [left, top, right, bottom] = boundsOf(one);
    if (point[0] < left - reach || point[0] > right + reach || point[1] < top - reach || point[1] > bottom + reach) continue;
    for (const [ring, part, hole] of ringsOf(one.polygon)) {
      for (let index = 0; index < ring.length; index++) {
        const [a, b] = [ring[index], ring[(index + 1) % ring.length]];
        const distance2 = (point[0] - a[0]) ** 2 + (point[1] - a[1]) ** 2;
        if (distance2 <= vertexAt) [vertex, vertexAt] = [{ point: a, id: one.id, part, hole, index, t: 0 }, distance2];
        const near = nearestOnSegment(point, a, b);
        if (near.distance2 > edgeAt) continue;
        const length = Math.hypot(b[0] - a[0], b[1] - a[1]);
        const t = length === 0 ? 0 : Math.hypot(near.point[0] - a[0], near.point[1] - a[1]) / length;
        [edge, edgeAt] = [{ point: near.point.map(round), id: one.id, part, hole, index, t }, near.distance2];
      }
    }
  }
  return vertex ?? edge;
}

/** The vertices of a ring strictly between two places on it ({index, t}), along the shorter way. */
export function along(ring, from, to) {
  const forward = walk(ring, from, to);
  const back = walk(ring, to, from).reverse();
  const a = pointAt(ring, from);
  const b = pointAt(ring, to);
  return lengthOf([a, ...forward, b]) <= lengthOf([a, ...back, b]) ? forward : back;
}

const pointAt = (ring, { index, t }) => {
  const [a, b] = [ring[index], ring[(index + 1) % ring.length]];
  return [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t];
};

/** The vertices strictly between two places, in the direction of the ring. */
function walk(ring, from, to) {
  const n = ring.length;
  const [start, end] = [from.index + from.t, to.index + to.t];
  const span = end > start ? end - start : end - start + n;
  const found = [];
  for (let k = Math.floor(start) + 1; k < start + span - 1e-9; k++) found.push(ring[k % n]);
  return found;
}

const lengthOf = (points) => points.slice(1).reduce((sum, [x, y], i) => sum + Math.hypot(x - points[i][0], y - points[i][1]), 0);
