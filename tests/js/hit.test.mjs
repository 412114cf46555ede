import assert from "node:assert/strict";
import { test } from "node:test";

import { annotationAt, edgeAt, handleAt, vertexAt } from "../../static/js/editor/hit.js";
import { Viewport } from "../../static/js/editor/viewport.js";

const box = (id, x, y, width, height) => ({ id, box: { x, y, width, height } });
const triangle = { parts: [{ outer: [[0, 0], [100, 0], [0, 100]], holes: [[[10, 10], [20, 10], [10, 20]]] }] };

test("the nearest of eight handles within reach", () => {
  const { box: shape } = box("a", 10, 10, 100, 50);
  assert.equal(handleAt(shape, [11, 12], 5), "nw");
  assert.equal(handleAt(shape, [60, 9], 5), "n");
  assert.equal(handleAt(shape, [110, 60], 5), "se");
  assert.equal(handleAt(shape, [60, 35], 5), null);
});

test("vertices and edges of outer rings and holes", () => {
  assert.deepEqual(vertexAt(triangle, [98, 1], 5), { part: 0, hole: -1, index: 1 });
  assert.deepEqual(vertexAt(triangle, [19, 10], 3), { part: 0, hole: 0, index: 1 });
  assert.equal(vertexAt(triangle, [50, 50], 5), null);
  const edge = edgeAt(triangle, [50, 52], 5);
  assert.deepEqual([edge.part, edge.hole, edge.index], [0, -1, 1]);
  assert.deepEqual(edge.point, [49, 51]);
  assert.equal(edgeAt(triangle, [30, 40], 5), null);
  assert.equal(edgeAt(triangle, [-2, 50], 5).index, 2, "the edge from the last point to the first");
});

test("the smaller object wins, whatever was drawn last", () => {
  const small = box("small", 40, 40, 10, 10);
  const large = box("large", 0, 0, 100, 100);
  assert.equal(annotationAt([small, large], [45, 45], 2).id, "small");
  assert.equal(annotationAt([large, small], [45, 45], 2).id, "small");
  assert.equal(annotationAt([large, small], [5, 5], 2).id, "large");
  assert.equal(annotationAt([large, small], [150, 5], 2), null);
});

test("of equals the topmost wins", () => {
  assert.equal(annotationAt([box("a", 0, 0, 10, 10), box("b", 0, 0, 10, 10)], [5, 5], 1).id, "b");
});

test("a hole is not the object, its border is", () => {
  const one = { id: "t", polygon: { parts: [{ outer: [[0, 0], [100, 0], [100, 100], [0, 100]], holes: [[[20, 20], [80, 20], [80, 80], [20, 80]]] }] } };
  assert.equal(annotationAt([one], [50, 50], 3), null);
  assert.equal(annotationAt([one], [22, 50], 3).id, "t");
  assert.equal(annotationAt([one], [10, 50], 3).id, "t");
});

test("a point keeps its place on the screen while zooming, and there and back is the same", () => {
  const view = new Viewport();
  view.resize({ width: 800, height: 600 });
  view.setImage({ width: 4000, height: 3000 });
  const at = [200, 150];
  const point = view.toImage(at);
  view.zoomBy(3, at);
  const after = view.toImage(at);
  assert.ok(Math.abs(after[0] - point[0]) < 1e-6 && Math.abs(after[1] - point[1]) < 1e-6);
  const [x, y] = view.toScreen(view.toImage([123, 456]));
  assert.ok(Math.abs(x - 123) < 1e-6 && Math.abs(y - 456) < 1e-6);
});

test("a fitted image stays fitted when the window changes, and never leaves the stage", () => {
  const view = new Viewport();
  view.resize({ width: 800, height: 600 });
  view.setImage({ width: 4000, height: 3000 });
  view.resize({ width: 400, height: 300 });
  assert.equal(view.scale, view.fitScale);
  view.pan(100_000, -100_000);
  const [x, y] = view.toScreen([0, 3000]);
  assert.ok(x < 400 && y > 0);
  view.zoomTo(1e9);
  assert.equal(view.scale, 40);
});
