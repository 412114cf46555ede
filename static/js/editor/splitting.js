// Cutting a polygon in two along a line. The line's pieces that run inside the polygon (chords) divide its rings: a chord
// between two points of one ring makes two rings of it, a chord between an outer ring and a hole makes one ring of both,
// which the next chord may then divide.

import { contains, nearestOnSegment, ringArea, round } from "./geometry.js";
import { areaOf, cleaned, turned } from "./polygon_ops.js";

/** Points nearer than this are one point; pixels. */
const SAME = 0.02;

const apart = ([ax, ay], [bx, by]) => Math.hypot(ax - bx, ay - by);

/**
 * The pieces of a polygon cut along a line of two or more points, the largest first; null where the line does not go
 * through. Parts that the line does not touch stay with the largest piece. Together the pieces cover what the polygon
 * covered.
 */
export function split(polygon, line) {
  const whole = [];
  const pieces = [];
  for (const part of polygon.parts) {
    const found = splitPart(part, line);
    if (found.length < 2) whole.push(part);
    else pieces.push(...found);
  }
  if (!pieces.length) return null;
  pieces.sort((a, b) => areaOf(b) - areaOf(a));
  const total = areaOf(polygon);
  const kept = areaOf({ parts: whole }) + pieces.reduce((sum, one) => sum + areaOf(one), 0);
  // A line through corners and along edges can defeat the division; then nothing is cut rather than something lost.
  if (Math.abs(kept - total) > Math.max(total * 1e-3, 1)) return null;
  return [{ parts: [...pieces[0].parts, ...whole] }, ...pieces.slice(1)];
}

function splitPart(part, line) {
  let rings = [turned(part.outer, 1), ...part.holes.map((hole) => turned(hole, -1))];
  for (const chord of chordsOf(part, line)) rings = divided(rings, chord);
  const outers = rings.filter((ring) => turned(ring, 1) === ring);
  const holes = rings.filter((ring) => turned(ring, 1) !== ring);
  const pieces = outers.map((outer) => ({ outer, holes: [] }));
  for (const hole of holes) {
    const around = pieces.find(({ outer }) => contains({ polygon: { parts: [{ outer, holes: [] }] } }, hole[0]));
    (around ?? pieces[0]).holes.push(hole);
  }
  return pieces.filter(({ outer }) => ringArea(outer) > SAME).map((one) => cleaned({ parts: [one] })).filter((one) => one !== null);
}

/** The pieces of the line inside a part: each a list of points that begins and ends on the part's border. */
function chordsOf(part, line) {
  const shape = { polygon: { parts: [part] } };
  const rings = [part.outer, ...part.holes];
  const at = (t) => {
    const k = Math.min(Math.floor(t), line.length - 2);
    const [a, b] = [line[k], line[k + 1]];
    return [a[0] + (b[0] - a[0]) * (t - k), a[1] + (b[1] - a[1]) * (t - k)];
  };
  const meets = [];
  for (let k = 0; k < line.length - 1; k++) {
    for (const ring of rings) {
      for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) meets.push(...meeting(line[k], line[k + 1], ring[j], ring[i]).map((t) => k + t));
    }
  }
  meets.sort((a, b) => a - b);
  const stops = meets.filter((t, i) => i === 0 || apart(at(t), at(meets[i - 1])) > SAME);
  const chords = [];
  for (let i = 0; i + 1 < stops.length; i++) {
    const [from, to] = [stops[i], stops[i + 1]];
    if (!contains(shape, at((from + to) / 2)) || onBorder(rings, at((from + to) / 2))) continue;
    const between = line.filter((_, k) => k > from + 1e-9 && k < to - 1e-9);
    chords.push([at(from), ...between, at(to)].map((point) => point.map(round)));
  }
  return chords;
}

/** Where on p–q (0 to 1) the segment a–b is met: none, one, or the two ends of a stretch they share. */
function meeting(p, q, a, b) {
  const [rx, ry, sx, sy] = [q[0] - p[0], q[1] - p[1], b[0] - a[0], b[1] - a[1]];
  const cross = rx * sy - ry * sx;
  const found = [];
  if (Math.abs(cross) > 1e-12) {
    const t = ((a[0] - p[0]) * sy - (a[1] - p[1]) * sx) / cross;
    const u = ((a[0] - p[0]) * ry - (a[1] - p[1]) * rx) / cross;
    if (t >= 0 && t <= 1 && u >= 0 && u <= 1) found.push(t);
  }
  // Ends that lie on the other segment, which rounding may have put a hair beside it.
  for (const [end, t] of [[p, 0], [q, 1]]) if (nearestOnSegment(end, a, b).distance2 <= SAME * SAME) found.push(t);
  const length2 = rx * rx + ry * ry;
  for (const end of [a, b]) {
    if (nearestOnSegment(end, p, q).distance2 <= SAME * SAME && length2 > 0) {
      found.push(Math.min(Math.max(((end[0] - p[0]) * rx + (end[1] - p[1]) * ry) / length2, 0), 1));
    }
  }
  return found;
}

const onBorder = (rings, point) => rings.some((ring) => ring.some((a, i) => nearestOnSegment(point, a, ring[(i + 1) % ring.length]).distance2 <= SAME * SAME));

/** The rings after one chord. */
function divided(rings, chord) {
  const from = placed(rings, chord[0]);
  if (!from) return rings;
  const first = rings.map((ring, i) => (i === from.at ? from.ring : ring));
  const to = placed(first, chord.at(-1));
  if (!to) return rings;
  const both = first.map((ring, i) => (i === to.at ? to.ring : ring));
  const inner = chord.slice(1, -1);
  const others = both.filter((_, i) => i !== from.at && i !== to.at);
  const start = indexOf(both[from.at], chord[0]);
  const end = indexOf(both[to.at], chord.at(-1));
  if (from.at !== to.at) {
    const [a, b] = [both[from.at], both[to.at]];
    return [...others, [...walk(a, start, start), ...inner, ...walk(b, end, end), ...[...inner].reverse()]];
  }
  if (start === end) return rings;
  const ring = both[from.at];
  return [...others, [...walk(ring, start, end), ...[...inner].reverse()], [...walk(ring, end, start), ...inner]];
}

/** The points of a ring from one index to another, both included; once round where they are the same. */
function walk(ring, from, to) {
  const count = from === to ? ring.length + 1 : ((to - from + ring.length) % ring.length) + 1;
  return Array.from({ length: count }, (_, i) => ring[(from + i) % ring.length]);
}

const indexOf = (ring, point) => {
  const [best] = ring.map((one, i) => [apart(one, point), i]).sort((a, b) => a[0] - b[0]);
  return best[1];
};

/** The ring with this point on its border, as {at, ring}: the point is one of its points now. Null where none has it. */
function placed(rings, point) {
  let best = null;
  for (const [at, ring] of rings.entries()) {
    for (let i = 0; i < ring.length; i++) {
      const { distance2 } = nearestOnSegment(point, ring[i], ring[(i + 1) % ring.length]);
      if (distance2 <= SAME * SAME && (!best || distance2 < best.distance2)) best = { at, i, distance2 };
    }
  }
  if (!best) return null;
  const { at, i } = best;
  const ring = rings[at];
  const [a, b] = [ring[i], ring[(i + 1) % ring.length]];
  if (apart(a, point) <= SAME || apart(b, point) <= SAME) return { at, ring };
  return { at, ring: [...ring.slice(0, i + 1), point, ...ring.slice(i + 1)] };
}
