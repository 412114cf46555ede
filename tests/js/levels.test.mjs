import assert from "node:assert/strict";
import { test } from "node:test";

import { fileWindow, fullWindow, hasWindow, spanned } from "../../static/js/editor/levels.js";

const dicom = (facts) => ({ is_dicom: true, facts: { dicom: facts } });

test("only grey DICOM files have a window", () => {
  assert.equal(hasWindow(dicom({ photometric: "MONOCHROME1" })), true);
  assert.equal(hasWindow(dicom({ photometric: "PALETTE COLOR" })), false);
  assert.equal(hasWindow(dicom({ photometric: "RGB" })), false);
  assert.equal(hasWindow({ is_dicom: false, facts: {} }), false);
});

test("the file's window counts, else there is none", () => {
  assert.deepEqual(fileWindow(dicom({ window_center: 40, window_width: 400 })), [40, 400]);
  assert.deepEqual(fileWindow(dicom({ window_center: 0, window_width: 1 })), [0, 1]);
  assert.equal(fileWindow(dicom({ window_center: null, window_width: null })), null);
  assert.equal(fileWindow({ facts: {} }), null);
});

test("the full window holds every value", () => {
  assert.deepEqual(fullWindow(dicom({ value_low: -1024, value_high: 3071 })), [1023.5, 4095]);
});

test("what spans the greys of a window is that window, one grey wider", () => {
  const [centre, width] = spanned([1000, 2550], 0, 255);
  assert.equal(centre, 1000);
  assert.equal(width, 2570);
});

test("dark pictures give a narrow window at the dark end", () => {
  const [centre, width] = spanned([2047.5, 4095], 0, 10);
  assert.ok(centre > 0 && centre < 200 && width < 300);
});
