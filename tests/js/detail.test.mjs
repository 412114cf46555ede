import assert from "node:assert/strict";
import { test } from "node:test";

import { detailOf } from "../../static/js/editor/detail.js";

test("small shapes are blocks, larger ones have an outline, and halos only while few show", () => {
  assert.equal(detailOf(2, false), "block");
  assert.equal(detailOf(6, true), "block");
  assert.equal(detailOf(6, false), "halo", "a small region must not hide what it marks");
  assert.equal(detailOf(20, false), "halo");
  assert.equal(detailOf(20, true), "thin");
  assert.equal(detailOf(200, true), "line");
});
