import assert from "node:assert/strict";
import { test } from "node:test";

import * as g from "../../static/js/editor/geometry.js";

const SIZE = { width: 100, height: 80 };
const square = { parts: [{ outer: [[10, 10], [30, 10], [30, 30], [10, 30]], holes: [] }] };

test("a box is the same whichever corner the drag begins at", () => {
  const wanted = { x: 10, y: 20, width: 30, height: 40 };
  for (const [a, b] of [[[10, 20], [40, 60]], [[40, 60], [10, 20]], [[40, 20], [10, 60]], [[10, 60], [40, 20]]]) {
    assert.deepEqual(g.boxFromCorners(a, b, SIZE), wanted);
  }
});

test("a box is cut to the image", () => {
  assert.deepEqual(g.boxFromCorners([-50, -50], [500, 500], SIZE), { x: 0, y: 0, width: 100, height: 80 });
});

test("a box without area does not exist", () => {
  assert.equal(g.boxFromCorners([10, 10], [10, 50], SIZE), null);
  assert.equal(g.boxFromCorners([10, 10], [10, 10], SIZE), null);
  assert.equal(g.boxFromCorners([200, 10], [300, 50], SIZE), null, "beside the image");
});

test("a template box keeps its size and stays inside", () => {
  assert.deepEqual(g.boxAround([0, 0], { width: 50, height: 50 }, SIZE), { x: 0, y: 0, width: 50, height: 50 });
  assert.deepEqual(g.boxAround([100, 80], { width: 50, height: 50 }, SIZE), { x: 50, y: 30, width: 50, height: 50 });
  assert.deepEqual(g.boxAround([50, 40], { width: 500, height: 50 }, SIZE), { x: 0, y: 15, width: 100, height: 50 });
});

test("each handle moves only its own sides", () => {
  const box = { x: 10, y: 10, width: 20, height: 20 };
  assert.deepEqual(g.resizeBox(box, "e", [50, 70], SIZE), { x: 10, y: 10, width: 40, height: 20 });
  assert.deepEqual(g.resizeBox(box, "n", [50, 5], SIZE), { x: 10, y: 5, width: 20, height: 25 });
  assert.deepEqual(g.resizeBox(box, "sw", [5, 50], SIZE), { x: 5, y: 10, width: 25, height: 40 });
});

test("a handle dragged over the opposite side turns the box over", () => {
  assert.deepEqual(g.resizeBox({ x: 10, y: 10, width: 20, height: 20 }, "w", [50, 0], SIZE), { x: 30, y: 10, width: 20, height: 20 });
  assert.equal(g.resizeBox({ x: 10, y: 10, width: 20, height: 20 }, "w", [30, 0], SIZE), null);
});

test("moving keeps the size and the image's border", () => {
  const box = { id: "a", box: { x: 10, y: 10, width: 20, height: 20 } };
  assert.deepEqual(g.moved(box, 500, -500, SIZE).box, { x: 80, y: 0, width: 20, height: 20 });
  const polygon = { id: "b", polygon: square };
  assert.deepEqual(g.moved(polygon, -500, 500, SIZE).polygon.parts[0].outer, [[0, 60], [20, 60], [20, 80], [0, 80]]);
  assert.deepEqual(square.parts[0].outer[0], [10, 10], "the original is as it was");
});

test("a hole is outside", () => {
  const ring = { parts: [{ outer: [[0, 0], [10, 0], [10, 10], [0, 10]], holes: [[[2, 2], [4, 2], [4, 4], [2, 4]]] }] };
  assert.equal(g.contains({ polygon: ring }, [3, 3]), false);
  assert.equal(g.contains({ polygon: ring }, [5, 5]), true);
  assert.equal(g.contains({ polygon: ring }, [11, 5]), false);
});

test("a polygon needs three different points and an area", () => {
  assert.equal(g.polygonFromRing([[0, 0], [10, 0]], SIZE), null);
  assert.equal(g.polygonFromRing([[0, 0], [10, 0], [10, 0], [0, 0]], SIZE), null);
  assert.equal(g.polygonFromRing([[0, 0], [10, 10], [20, 20]], SIZE), null, "on one line");
  assert.deepEqual(g.polygonFromRing([[0, 0], [10, 0], [10, 0], [10, 10], [0, 0]], SIZE).parts[0].outer, [[0, 0], [10, 0], [10, 10]]);
});

test("points outside the image come to its border", () => {
  assert.deepEqual(g.polygonFromRing([[-5, 0], [500, 0], [50, 500]], SIZE).parts[0].outer, [[0, 0], [100, 0], [50, 80]]);
});

test("vertices are added, moved and taken away; three stay", () => {
  const first = { part: 0, hole: -1, index: 0 };
  const more = g.insertVertex(square, first, [20, 5], SIZE);
  assert.deepEqual(more.parts[0].outer, [[10, 10], [20, 5], [30, 10], [30, 30], [10, 30]]);
  assert.deepEqual(g.moveVertex(square, first, [-10, 12], SIZE).parts[0].outer[0], [0, 12]);
  const three = g.removeVertex(square, first);
  assert.equal(three.parts[0].outer.length, 3);
  assert.equal(g.removeVertex(three, first), null);
});

test("a vertex after the last edge closes the ring in the right place", () => {
  const more = g.insertVertex(square, { part: 0, hole: -1, index: 3 }, [5, 20], SIZE);
  assert.deepEqual(more.parts[0].outer.at(-1), [5, 20]);
});

test("the nearest point of a segment lies on the segment", () => {
  assert.deepEqual(g.nearestOnSegment([5, 5], [0, 0], [10, 0]), { point: [5, 0], distance2: 25 });
  assert.deepEqual(g.nearestOnSegment([-3, 4], [0, 0], [10, 0]), { point: [0, 0], distance2: 25 });
  assert.deepEqual(g.nearestOnSegment([3, 4], [0, 0], [0, 0]), { point: [0, 0], distance2: 25 });
});
