// Measures one method: globalThis.measure(name, count, frames) resolves to milliseconds a frame.

import { METHODS } from "./methods.mjs";
import { SIZE, makeScene } from "./scene.mjs";

const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const ALL = { scale: 0.19, x: 40, y: 25 };
const CLOSE = { scale: Math.SQRT2, x: -3000, y: -2000 }; // about 200 polygons of 10,000 in view

/** Until what was asked for is on the screen: the frame that draws it, and the start of the next one. */
async function painted() {
  await frame();
  await frame();
}

/** Milliseconds of each frame while `act(i)` runs once a frame. */
async function framesOf(count, act) {
  const times = [];
  await frame();
  let last = await frame();
  for (let i = 0; i < count; i++) {
    act(i);
    const now = await frame();
    times.push(now - last);
    last = now;
  }
  return times;
}

/** There and back, 7 pixels a frame. */
const step = (view, i, frames) => ({ ...view, x: view.x - 7 * Math.min(i, frames - i), y: view.y - 3 * Math.min(i, frames - i) });

globalThis.measure = async (name, count, frames) => {
  const scene = makeScene(count);
  const method = new METHODS[name]();
  await method.prepare();
  method.view(ALL);
  await painted();
  await wait(300);
  const begun = performance.now();
  method.start(scene);
  await painted();
  const first = performance.now() - begun;
  await wait(300);
  const all = await framesOf(frames, (i) => method.view(step(ALL, i, frames)));
  method.view(CLOSE);
  await wait(400);
  const close = await framesOf(frames, (i) => method.view(step(CLOSE, i, frames)));
  await wait(300);
  const index = scene.findIndex(({ polygon }) => {
    const [x, y] = polygon.parts[0].outer[0];
    return x > 2500 && x < 3000 && y > 1600 && y < 1900;
  });
  const [{ outer }] = scene[index].polygon.parts;
  const edit = await framesOf(frames, (i) => method.edit(index, outer.map(([x, y], corner) => (corner ? [x, y] : [x + i, y + i]))));
  method.view(ALL);
  await wait(400);
  const editAll = await framesOf(frames, (i) => method.edit(index, outer.map(([x, y], corner) => (corner ? [x, y] : [x + i, y + i]))));
  return { first, all, close, edit, editAll, size: SIZE };
};
