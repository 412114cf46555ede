import assert from "node:assert/strict";
import { test } from "node:test";

import { applyTable, fullWindow, hasWindow, parseFrame, presetWindow, presetsOf, startWindow, tableOf } from "../../static/js/editor/levels.js";

const dicom = (facts) => ({ is_dicom: true, facts: { dicom: facts } });
const frame = { low: -1000, step: 1, entries: 3001, invert: false, window: [40, 400], own: new Uint8Array(3001).fill(7) };

test("only grey DICOM files have a window", () => {
  assert.equal(hasWindow(dicom({ photometric: "MONOCHROME1" })), true);
  assert.equal(hasWindow(dicom({ photometric: "PALETTE COLOR" })), false);
  assert.equal(hasWindow(dicom({ photometric: "RGB" })), false);
  assert.equal(hasWindow({ is_dicom: false, facts: {} }), false);
});

test("Hounsfield presets are for CT; the file's own and all values are for everything", () => {
  assert.deepEqual(presetsOf(dicom({ modality: "CT" })), ["file", "bone", "lung", "brain", "soft_tissue", "full"]);
  assert.deepEqual(presetsOf(dicom({ modality: "DX" })), ["file", "full"]);
  assert.equal(presetWindow("file", frame), null);
  assert.deepEqual(presetWindow("lung", frame), [-600, 1500]);
  assert.deepEqual(presetWindow("full", frame), [500.5, 3001]);
});

test("dragging starts at the file's window, at all values where it has a table", () => {
  assert.deepEqual(startWindow(frame), [40, 400]);
  assert.deepEqual(startWindow({ ...frame, window: null }), fullWindow(frame));
});

test("a linear window runs from black to white between its ends (PS3.3 C.11.2.1.2.1)", () => {
  const table = tableOf(frame, [40, 400]);
  const at = (value) => table[value - frame.low];
  assert.equal(at(-161), 0);
  assert.equal(at(-160), 0);
  assert.equal(at(239), 255);
  assert.ok(Math.abs(at(40) - 128) <= 1);
  assert.ok(table.every((value, i) => i === 0 || value >= table[i - 1]));
  const inverted = tableOf({ ...frame, invert: true }, [40, 400]);
  assert.ok(inverted.every((value, i) => Math.abs(value + table[i] - 255) <= 1));
  assert.deepEqual([...tableOf({ ...frame, entries: 3, low: 0 }, [1, 1])], [0, 255, 255]);
});

test("the full window shows the least value black and the greatest white", () => {
  const table = tableOf(frame, fullWindow(frame));
  assert.deepEqual([table[0], table[1500], table[3000]], [0, 128, 255]);
});

test("without a window the file's own greys are taken as they are", () => {
  assert.equal(tableOf(frame, null), frame.own);
});

test("bytes of the server become a frame, and a table its pixels", () => {
  const header = { width: 3, height: 1, low: -5, step: 0.5, entries: 3, invert: false, window: null };
  const text = new TextEncoder().encode(JSON.stringify(header).padEnd(Math.ceil(JSON.stringify(header).length / 4) * 4));
  const bytes = new Uint8Array(4 + text.length + 4 + 6);
  new DataView(bytes.buffer).setUint32(0, text.length, true);
  bytes.set(text, 4);
  bytes.set([10, 20, 30], 4 + text.length);
  bytes.set([2, 0, 0, 0, 1, 0], 8 + text.length);
  const parsed = parseFrame(bytes.buffer);
  assert.deepEqual([...parsed.own], [10, 20, 30]);
  assert.deepEqual([...parsed.values], [2, 0, 1]);
  const pixels = new Uint32Array(3);
  applyTable(parsed, parsed.own, pixels);
  assert.deepEqual([...new Uint8Array(pixels.buffer)], [30, 30, 30, 255, 10, 10, 10, 255, 20, 20, 20, 255]);
});
