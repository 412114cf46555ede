// What several polygons make together: union, difference, cleaning. Pure functions over polygons of geometry.js.
//
// The work is done by Clipper2 on whole numbers. Coordinates are kept to a hundredth of a pixel anyway, so in hundredths
// nothing is lost on the way in, and whatever comes out is on the same grid.

import { ClipType, FillRule, PathType } from "../../vendor/clipper2-ts/Core.js";
import { Clipper64, PolyTree64 } from "../../vendor/clipper2-ts/Engine.js";
import { clampPoint, MIN_SIDE, ringArea, round, withoutRepeats } from "./geometry.js";

const PER_PIXEL = 100;
/** Square pixels. What a union or a cut leaves below this is rounding, not something a hand drew. */
const SLIVER = 0.25;

const toPath = (ring) => ring.map(([x, y]) => ({ x: Math.round(x * PER_PIXEL), y: Math.round(y * PER_PIXEL) }));
const toRing = (path) => path.map(({ x, y }) => [x / PER_PIXEL, y / PER_PIXEL]);

/** Rings of a part turned so that windings add up: outer rings count up, holes count down. */
const windings = ({ outer, holes }) => [turned(outer, 1), ...holes.map((hole) => turned(hole, -1))].map(toPath);

/** The ring, reversed where needed so that its signed area has this sign. */
export function turned(ring, sign) {
  let area = 0;
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) area += ring[j][0] * ring[i][1] - ring[i][0] * ring[j][1];
  return area * sign < 0 ? [...ring].reverse() : ring;
}

function run(type, subjects, clips) {
  const clipper = new Clipper64();
  // Points that people set on a straight border stay: a neighbour may share them.
  clipper.preserveCollinear = true;
  clipper.addPaths(subjects, PathType.Subject);
  if (clips.length) clipper.addPaths(clips, PathType.Clip);
  const tree = new PolyTree64();
  clipper.execute(type, FillRule.NonZero, tree);
  return tree;
}

/** The polygon in a result, without rings below `least` square pixels; null where nothing is left. */
function toPolygon(tree, least) {
  const parts = [];
  const visit = (node) => {
    for (let i = 0; i < node.count; i++) {
      const outer = node.child(i);
      const part = { outer: toRing(outer.polygon), holes: [] };
      for (let j = 0; j < outer.count; j++) {
        const hole = outer.child(j);
        const ring = toRing(hole.polygon);
        if (ringArea(ring) >= least) part.holes.push(ring);
        visit(hole);
      }
      if (part.outer.length >= 3 && ringArea(part.outer) >= least) parts.push(part);
    }
  };
  visit(tree);
  return parts.length ? { parts } : null;
}

/** Everything that belongs to at least one of the polygons, as one polygon; pieces that do not touch become its parts. */
export function united(polygons) {
  const paths = polygons.flatMap((polygon) => polygon.parts.flatMap(windings));
  return toPolygon(run(ClipType.Union, paths, []), SLIVER);
}

/** The polygon without what belongs to another; null where nothing is left. */
export function subtracted(polygon, other) {
  const paths = [polygon, other].map((one) => one.parts.flatMap(windings));
  return toPolygon(run(ClipType.Difference, ...paths), SLIVER);
}

/** What belongs to both; null where they do not overlap. */
export function intersected(polygon, other) {
  const paths = [polygon, other].map((one) => one.parts.flatMap(windings));
  return toPolygon(run(ClipType.Intersection, ...paths), SLIVER);
}

const countOf = ({ parts }) => parts.reduce((sum, { outer, holes }) => sum + outer.length + holes.reduce((n, hole) => n + hole.length, 0), 0);
const ringsIn = ({ parts }) => parts.reduce((sum, { holes }) => sum + 1 + holes.length, 0);

/**
 * The polygon as it may be stored: no outline crosses itself or another, holes lie inside, every ring has an area. A
 * polygon that is so already comes back as it is, point for point; null where nothing with an area is left. Where an
 * outline crossed itself, everything it went round belongs to the polygon.
 */
export function cleaned(polygon) {
  const least = MIN_SIDE * MIN_SIDE;
  const pieces = polygon.parts.map(({ outer, holes }) =>
    toPolygon(run(ClipType.Difference, [toPath(outer)], holes.map((hole) => toPath(turned(hole, 1)))), least),
  );
  const found = pieces.filter((one) => one !== null);
  if (!found.length) return null;
  const whole = found.length === 1 ? found[0] : toPolygon(run(ClipType.Union, found.flatMap((one) => one.parts.flatMap(windings)), []), least);
  const same = whole && ringsIn(whole) === ringsIn(polygon) && countOf(whole) === countOf(polygon);
  return same ? polygon : whole;
}

/** The polygon with an outline through these points, kept inside the image and cleaned; null where it has no area. */
export function fromOutline(points, size) {
  const outer = withoutRepeats(points.map((point) => clampPoint(point, size).map(round)));
  return outer.length < 3 ? null : cleaned({ parts: [{ outer, holes: [] }] });
}

/** Square pixels, holes taken off; exact for cleaned polygons. */
export const areaOf = (polygon) =>
  polygon.parts.reduce((sum, { outer, holes }) => sum + ringArea(outer) - holes.reduce((n, hole) => n + ringArea(hole), 0), 0);
