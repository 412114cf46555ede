// The frames of a grey DICOM file: their values come once, window and level are applied here.

import { applyTable, parseFrame, tableOf } from "./levels.js";
import { bytesFor } from "./pictures.js";
import { EXPENSIVE, drawWhole } from "./render.js";

/** Frames that stay in memory for going back and forth, in bytes of their values. */
const KEPT_BYTES = 192 << 20;

export class GreyFrames {
  /** The address of the values of a frame. */
  static urlOf(item, frame) {
    const url = new URL(item.samples_url, location.href);
    url.searchParams.set("frame", frame);
    return url.href;
  }

  constructor(item) {
    this.item = item;
    this.window = null;
    this.frame = null;
    this.canvas = null;
    this.known = new Map(); // frame number → promise of a frame, the longest unused first
    this.asked = 0;
  }

  /** Loads and shows a frame. False where another call has come since. */
  async load({ frame: number }) {
    const asked = (this.asked += 1);
    try {
      const frame = await this.#get(number);
      if (asked !== this.asked) return false;
      this.frame = frame;
    } catch (error) {
      if (asked !== this.asked) return false;
      throw error;
    }
    this.#render();
    return true;
  }

  /** Fetches a frame ahead of its turn; a failure shows when the frame is asked for. */
  prefetch(number) {
    if (!this.known.has(number)) this.#get(number).catch((error) => console.info("Frame not fetched ahead:", error.message));
  }

  #get(number) {
    const known = this.known.get(number) ?? this.#fetch(number);
    this.known.delete(number);
    this.known.set(number, known);
    known.catch(() => this.known.delete(number));
    return known;
  }

  async #fetch(number) {
    const frame = parseFrame(await bytesFor(GreyFrames.urlOf(this.item, number)));
    const most = Math.max(Math.floor(KEPT_BYTES / (frame.values.length * 2)), 2);
    for (const old of [...this.known.keys()].slice(0, Math.max(this.known.size - most, 0))) this.known.delete(old);
    return frame;
  }

  /** Shows the frame through a window, [centre, width], or as the file asks for. Asks the server for nothing. */
  setWindow(window) {
    this.window = window;
    if (this.frame) this.#render();
  }

  #render() {
    const { frame } = this;
    const { width, height } = frame;
    if (this.canvas?.width !== width || this.canvas.height !== height) {
      this.canvas = new OffscreenCanvas(width, height);
      this.pixels = new ImageData(width, height);
    }
    applyTable(frame, tableOf(frame, this.window), new Uint32Array(this.pixels.data.buffer));
    this.canvas.getContext("2d").putImageData(this.pixels, 0, 0);
  }

  /** There is nothing finer. */
  async refine() {}

  draw(context, viewport) {
    if (!this.frame) return 0;
    drawWhole(context, this.canvas, viewport);
    return EXPENSIVE;
  }

  close() {
    this.asked += 1;
    this.known.clear();
    this.frame = null;
  }
}
