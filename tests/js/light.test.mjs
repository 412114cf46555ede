import assert from "node:assert/strict";
import { test } from "node:test";

import { PLAIN, isPlain, lightTable } from "../../static/js/editor/light.js";
import { measured } from "../../static/js/editor/ruler.js";

test("a plain light changes no level", () => {
  assert.equal(isPlain({ ...PLAIN, opacity: 3 }), true);
  lightTable(PLAIN).forEach((value, i) => assert.ok(Math.abs(value - i / 255) < 1e-12));
});

test("brightness multiplies, contrast turns around the middle, gamma lifts the dark, inversion is last", () => {
  const at = (light, i) => lightTable({ ...PLAIN, ...light })[i];
  assert.ok(Math.abs(at({ brightness: 200 }, 64) - 128 / 255) < 1e-12);
  assert.equal(at({ brightness: 300 }, 200), 1);
  assert.ok(at({ contrast: 200 }, 64) < 64 / 255 && at({ contrast: 200 }, 192) > 192 / 255);
  assert.ok(at({ gamma: 2 }, 64) > 64 / 255);
  assert.deepEqual([at({ gamma: 2 }, 0), at({ gamma: 2 }, 255)], [0, 1]);
  assert.ok(Math.abs(at({ brightness: 200, invert: true }, 64) - (1 - 128 / 255)) < 1e-12);
});

test("the ruler measures in pixels of the image, either way round", () => {
  assert.deepEqual(measured([10, 10], [13, 14]), { length: 5, width: 3, height: 4 });
  assert.deepEqual(measured([13, 14], [10, 10.04]), { length: 5, width: 3, height: 4 });
});
