// Not a test: shows bytes of the server's samples through windows, for tests/projects/test_samples.py.
//     node show_samples.mjs FILE '[null, [40, 400]]'    prints one JSON list of greys for each window

import { readFileSync } from "node:fs";

import { applyTable, parseFrame, tableOf } from "../../static/js/editor/levels.js";

const [file, windows] = process.argv.slice(2);
const bytes = readFileSync(file);
const frame = parseFrame(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
for (const window of JSON.parse(windows)) {
  const pixels = new Uint32Array(frame.values.length);
  applyTable(frame, tableOf(frame, window), pixels);
  console.log(JSON.stringify([...pixels].map((pixel) => pixel & 255)));
}
