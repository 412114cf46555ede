import assert from "node:assert/strict";
import { test } from "node:test";

import { along, nearestBorder } from "../../static/js/editor/borders.js";
import { contains, simplified } from "../../static/js/editor/geometry.js";
import { areaOf, cleaned, fromOutline, intersected, subtracted, united } from "../../static/js/editor/polygon_ops.js";
import { split } from "../../static/js/editor/splitting.js";
import { generator } from "./support.mjs";

const square = (x, y, side) => ({ parts: [{ outer: [[x, y], [x + side, y], [x + side, y + side], [x, y + side]], holes: [] }] });
const holed = { parts: [{ outer: [[0, 0], [100, 0], [100, 100], [0, 100]], holes: [[[40, 40], [60, 40], [60, 60], [40, 60]]] }] };
const near = (a, b, tolerance = 1e-6) => assert.ok(Math.abs(a - b) <= tolerance, `${a} is not ${b}`);

/** A star-shaped ring round a point: never crosses itself. */
function star(random, [cx, cy], radius, count) {
  return Array.from({ length: count }, (_, i) => {
    const [angle, r] = [(i / count) * 2 * Math.PI, radius * (0.4 + 0.6 * random())];
    return [Math.round((cx + r * Math.cos(angle)) * 100) / 100, Math.round((cy + r * Math.sin(angle)) * 100) / 100];
  });
}

test("polygons that touch or overlap become one part, others stay parts of their own", () => {
  assert.equal(united([square(0, 0, 10), square(10, 0, 10)]).parts.length, 1, "a shared border");
  assert.equal(areaOf(united([square(0, 0, 10), square(5, 5, 10)])), 175);
  const apart = united([square(0, 0, 10), square(50, 50, 10)]);
  assert.deepEqual([apart.parts.length, areaOf(apart)], [2, 200]);
});

test("a union round an empty middle has a hole", () => {
  const ring = united([square(0, 0, 30), square(30, 0, 30), square(60, 0, 30), square(0, 30, 30), square(60, 30, 30), square(0, 60, 30), square(30, 60, 30), square(60, 60, 30)]);
  assert.deepEqual([ring.parts.length, ring.parts[0].holes.length, areaOf(ring)], [1, 1, 7200]);
});

test("what is taken out inside is a hole, across the border a bay, and everything is nothing", () => {
  const hole = subtracted(square(0, 0, 100), square(40, 40, 20));
  assert.deepEqual([hole.parts[0].holes.length, areaOf(hole)], [1, 9600]);
  const bay = subtracted(square(0, 0, 100), square(90, 40, 20));
  assert.deepEqual([bay.parts[0].holes.length, areaOf(bay)], [0, 9800]);
  assert.equal(subtracted(square(10, 10, 10), square(0, 0, 100)), null);
  assert.equal(subtracted(square(0, 0, 100), { parts: [{ outer: [[30, -1], [70, -1], [70, 101], [30, 101]], holes: [] }] }).parts.length, 2);
});

test("a ring that is drawn either way round counts the same", () => {
  const backwards = { parts: [{ outer: [...square(0, 0, 10).parts[0].outer].reverse(), holes: [] }] };
  assert.equal(areaOf(united([backwards, square(5, 5, 10)])), 175);
  assert.equal(areaOf(subtracted(backwards, square(5, 5, 10))), 75);
  assert.equal(areaOf(cleaned({ parts: [{ outer: holed.parts[0].outer, holes: [[...holed.parts[0].holes[0]].reverse()] }] })), 9600);
});

test("a sound polygon comes back point for point", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = generator(seed);
    const polygon = { parts: [{ outer: star(random, [500, 500], 300, 3 + Math.floor(random() * 60)), holes: [star(random, [500, 500], 80, 8)] }] };
    assert.equal(cleaned(polygon), polygon, `seed ${seed}`);
  }
  const straight = { parts: [{ outer: [[0, 0], [5, 0], [10, 0], [10, 10], [0, 10]], holes: [] }] };
  assert.equal(cleaned(straight), straight, "points on a straight border stay");
});

test("an outline that crosses itself becomes parts, and a hole that sticks out is cut off", () => {
  const bow = cleaned({ parts: [{ outer: [[0, 0], [10, 10], [10, 0], [0, 10]], holes: [] }] });
  assert.deepEqual([bow.parts.length, areaOf(bow)], [2, 50]);
  const stuck = cleaned({ parts: [{ outer: square(0, 0, 100).parts[0].outer, holes: [[[90, 40], [120, 40], [120, 60], [90, 60]]] }] });
  assert.deepEqual([stuck.parts[0].holes.length, areaOf(stuck)], [0, 9800]);
  assert.equal(cleaned({ parts: [{ outer: [[0, 0], [10, 0], [5, 0]], holes: [] }] }), null);
  assert.equal(areaOf(cleaned({ parts: [...square(0, 0, 10).parts, ...square(5, 5, 10).parts] })), 175, "parts that overlap");
});

test("an outline needs three points round an area, even where its halves would cancel each other", () => {
  const size = { width: 100, height: 100 };
  assert.equal(fromOutline([[0, 0], [10, 0]], size), null);
  assert.equal(fromOutline([[0, 0], [10, 10], [20, 20]], size), null);
  assert.equal(areaOf(fromOutline([[0, 0], [10, 10], [10, 0], [0, 10]], size)), 50);
  assert.deepEqual(fromOutline([[-5, 0], [500, 0], [50, 500]], size).parts[0].outer, [[0, 0], [100, 0], [50, 100]]);
});

test("areas add up for any two polygons", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = generator(seed);
    const any = () => ({ parts: [{ outer: star(random, [100 + 100 * random(), 100 + 100 * random()], 90, 3 + Math.floor(random() * 20)), holes: [] }] });
    const [a, b] = [any(), any()];
    const area = (polygon) => (polygon ? areaOf(polygon) : 0);
    const both = area(intersected(a, b));
    near(area(united([a, b])), areaOf(a) + areaOf(b) - both, 2);
    near(area(subtracted(a, b)), areaOf(a) - both, 2);
    for (const made of [united([a, b]), subtracted(a, b)]) if (made) near(area(cleaned(made)), area(made), 0.5);
  }
});

test("a line through a polygon makes two, and the pieces are what was there", () => {
  const halves = split(square(0, 0, 10), [[5, -5], [5, 15]]);
  assert.deepEqual(halves.map(areaOf), [50, 50]);
  const corner = split(square(0, 0, 10), [[0, 0], [10, 10]]);
  assert.deepEqual(corner.map(areaOf), [50, 50], "from corner to corner");
  const bent = split(square(0, 0, 10), [[-1, 5], [5, 5], [5, -1]]);
  assert.deepEqual(bent.map(areaOf), [75, 25]);
});

test("a line that does not go through cuts nothing", () => {
  assert.equal(split(square(0, 0, 10), [[-5, -5], [15, -5]]), null, "beside");
  assert.equal(split(square(0, 0, 10), [[5, -5], [5, 5]]), null, "ends inside");
  assert.equal(split(square(0, 0, 10), [[0, -5], [0, 15]]), null, "along a side");
  assert.equal(split(holed, [[50, -5], [50, 50]]), null, "ends in the hole");
});

test("only the arm that the line crosses is cut", () => {
  const u = { parts: [{ outer: [[0, 0], [10, 0], [10, 30], [20, 30], [20, 0], [30, 0], [30, 40], [0, 40]], holes: [] }] };
  const pieces = split(u, [[-5, 15], [15, 15]]);
  assert.deepEqual(pieces.map(areaOf), [areaOf(u) - 150, 150]);
  assert.equal(split(u, [[-5, 15], [35, 15]]).length, 3, "both arms");
});

test("holes are cut through or stay with the piece round them", () => {
  const through = split(holed, [[50, -5], [50, 105]]);
  assert.deepEqual(through.map((one) => [areaOf(one), one.parts[0].holes.length]), [[4800, 0], [4800, 0]]);
  const beside = split(holed, [[20, -5], [20, 105]]);
  assert.deepEqual(beside.map((one) => [areaOf(one), one.parts[0].holes.length]), [[7600, 1], [2000, 0]]);
});

test("parts that the line misses stay with the largest piece", () => {
  const two = { parts: [...square(0, 0, 10).parts, ...square(50, 50, 4).parts] };
  const pieces = split(two, [[3, -5], [3, 15]]);
  assert.deepEqual(pieces.map((one) => [one.parts.length, areaOf(one)]), [[2, 86], [1, 30]]);
});

test("any line through any polygon loses nothing and leaves sound pieces", () => {
  let cut = 0;
  for (let seed = 1; seed <= 400; seed++) {
    const random = generator(seed);
    const polygon = { parts: [{ outer: star(random, [200, 200], 150, 5 + Math.floor(random() * 30)), holes: random() < 0.5 ? [star(random, [200, 200], 40, 6)] : [] }] };
    const point = () => (random() < 0.3 ? polygon.parts[0].outer[Math.floor(random() * 5)] : [Math.round(random() * 400), Math.round(random() * 400)]);
    const pieces = split(polygon, Array.from({ length: 2 + Math.floor(random() * 3) }, point));
    if (!pieces) continue;
    cut += 1;
    near(pieces.reduce((sum, one) => sum + areaOf(one), 0), areaOf(polygon), 2);
    for (const one of pieces) near(areaOf(cleaned(one)), areaOf(one), 0.5);
  }
  assert.ok(cut > 100, `${cut} of 400 lines went through`);
});

test("a freehand line keeps its ends and no left-out point is far", () => {
  const wave = Array.from({ length: 400 }, (_, i) => [i, 20 * Math.sin(i / 30)]);
  const few = simplified(wave, 1);
  assert.ok(few.length > 5 && few.length < 60, `${few.length}`);
  assert.deepEqual([few[0], few.at(-1)], [wave[0], wave.at(-1)]);
  assert.deepEqual(simplified([[0, 0], [5, 0.1], [10, 0]], 1), [[0, 0], [10, 0]]);
  assert.deepEqual(simplified([[1, 1]], 1), [[1, 1]]);
});

test("a point near a neighbour goes onto its corner, else onto its edge", () => {
  const one = { id: "a", polygon: square(0, 0, 10) };
  assert.deepEqual(nearestBorder([one], [9, -1], 3).point, [10, 0]);
  const edge = nearestBorder([one], [5, -1], 3);
  assert.deepEqual([edge.point, edge.index, edge.t], [[5, 0], 0, 0.5]);
  assert.equal(nearestBorder([one], [5, -5], 3), null);
  assert.equal(nearestBorder([{ id: "b", box: { x: 0, y: 0, width: 10, height: 10 } }], [5, 0], 3), null);
});

test("a border is followed the shorter way, whichever way round it was drawn", () => {
  const { outer } = square(0, 0, 10).parts[0];
  const [left, right] = [{ index: 3, t: 0.5 }, { index: 1, t: 0.2 }];
  assert.deepEqual(along(outer, left, right), [[0, 0], [10, 0]]);
  assert.deepEqual(along(outer, right, left), [[10, 0], [0, 0]]);
  assert.deepEqual(along(outer, { index: 0, t: 0.2 }, { index: 0, t: 0.8 }), []);
  assert.deepEqual(along(outer, { index: 0, t: 0 }, { index: 2, t: 0 }).length, 1, "strictly between");
});

test("a point in a hole is outside after a cut too", () => {
  const [piece] = split(holed, [[20, -5], [20, 105]]);
  assert.equal(contains({ polygon: piece }, [50, 50]), false);
});
