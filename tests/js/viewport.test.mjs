import assert from "node:assert/strict";
import { test } from "node:test";

import { covers, placement } from "../../static/js/editor/layers.js";
import { Viewport } from "../../static/js/editor/viewport.js";

const close = (a, b) => a.every((value, i) => Math.abs(value - b[i]) < 1e-6);

function viewOf(turn, { width = 4000, height = 3000 } = {}) {
  const view = new Viewport();
  view.resize({ width: 800, height: 600 });
  view.setImage({ width, height });
  view.setTurn(turn);
  return view;
}

for (const turn of [0, 1, 2, 3]) {
  test(`stage and view agree after ${turn} quarter turns, and so does the canvas`, () => {
    const view = viewOf(turn);
    for (const point of [[0, 0], [123, 45], [799, 599]]) {
      assert.ok(close(view.toStage(view.toView(point)), point));
      const [a, b, c, d, e, f] = view.matrix(2);
      const [x, y] = view.toView(point);
      assert.ok(close([a * x + c * y + e, b * x + d * y + f], [point[0] * 2, point[1] * 2]));
    }
    assert.deepEqual(view.stage, { width: 800, height: 600 });
  });

  test(`after ${turn} quarter turns the whole image still fits`, () => {
    const view = viewOf(turn);
    assert.equal(view.isWhole, true);
    for (const corner of [[0, 0], [4000, 0], [4000, 3000], [0, 3000]]) {
      const [x, y] = view.toStage(view.toScreen(corner));
      assert.ok(x >= 0 && x <= 800 && y >= 0 && y <= 600);
    }
  });
}

test("clockwise: the image's top edge goes to the right side", () => {
  const view = viewOf(1);
  const [x] = view.toStage(view.toScreen([2000, 0]));
  const [x2] = view.toStage(view.toScreen([2000, 3000]));
  assert.ok(x > x2);
});

test("a turn keeps the point in the middle, four turns change nothing", () => {
  const view = viewOf(0);
  view.zoomTo(2, [300, 200]);
  const middle = view.toImage([view.screen.width / 2, view.screen.height / 2]);
  const before = [view.x, view.y];
  for (let i = 1; i <= 4; i++) {
    view.setTurn(i);
    assert.ok(close(view.toImage([view.screen.width / 2, view.screen.height / 2]), middle));
  }
  assert.equal(view.turn, 0);
  assert.ok(close([view.x, view.y], before));
});

test("a region is shown in the middle and whole, and small ones are not blown up without end", () => {
  const view = viewOf(1);
  view.showRegion([1000, 900, 1400, 1000]);
  assert.ok(close(view.toScreen([1200, 950]), [view.screen.width / 2, view.screen.height / 2]));
  const [left, top, right, bottom] = view.region();
  assert.ok(left < 1000 && top < 900 && right > 1400 && bottom > 1000);
  view.showRegion([10, 10, 11, 11]);
  assert.equal(view.scale, 40);
});

test("a bitmap of the whole image covers it wherever it is moved; one of a part does not", () => {
  const view = viewOf(0);
  const drawn = { region: view.region(256), scale: view.scale, origin: view.toStage(view.toScreen([0, 0])) };
  view.pan(400, 200);
  assert.equal(covers(drawn, view), true);
  assert.ok(close(placement(drawn, view), [400 - 256, 200 - 256, 1]));
  view.zoomBy(4);
  assert.equal(covers(drawn, view), true);
  const part = { region: view.region(256), scale: view.scale, origin: view.toStage(view.toScreen([0, 0])) };
  view.pan(-200, 0);
  assert.equal(covers(part, view), true);
  view.pan(-200, 0);
  assert.equal(covers(part, view), false);
  view.zoomBy(0.1);
  assert.equal(covers(part, view), false);
});

for (const turn of [0, 1, 2, 3]) {
  test(`a bitmap moves with the image when the view is turned ${turn} times`, () => {
    const view = viewOf(turn);
    view.zoomTo(1, [100, 100]);
    const [margin, point] = [256, [1700, 1234]];
    const drawn = { region: view.region(margin), scale: view.scale, origin: view.toStage(view.toScreen([0, 0])) };
    const before = view.toStage(view.toScreen(point)).map((value) => value + margin); // on the bitmap
    view.zoomBy(1.7, [20, 30]);
    view.pan(-13, 57);
    const [x, y, factor] = placement(drawn, view);
    assert.ok(close([x + factor * before[0], y + factor * before[1]], view.toStage(view.toScreen(point))));
  });
}
