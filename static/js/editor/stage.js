// One image on three canvases: image, annotations, what is being done. Turns pointers and the wheel into zoom, pan and
// calls of the current tool. Points that tools see are image pixels; `pointer` is in coordinates of the view.

import { debounce, say } from "./dom.js";
import { GreyFrames } from "./grey_frames.js";
import { Layer } from "./layers.js";
import { hasWindow } from "./levels.js";
import { Photo } from "./photo.js";
import { cleared } from "./render.js";
import { renditionUrl, stepFor } from "./renditions.js";
import { Viewport } from "./viewport.js";

/** The view rests when it has not moved for so long; then everything is drawn sharp and finer pictures are loaded. */
const REST_MS = 140;

/** Cursors of handles lie along the image's axes; these are what they look like after a quarter turn. */
const TURNED = { "ns-resize": "ew-resize", "ew-resize": "ns-resize", "nwse-resize": "nesw-resize", "nesw-resize": "nwse-resize" };

/** Whether an item comes as values, for windowing here. */
const isGrey = (item) => Boolean(item.samples_url) && hasWindow(item);

const pictureOf = (item, options) => (isGrey(item) ? new GreyFrames(item) : new Photo(item, options));

export class Stage extends EventTarget {
  /** `root` holds three canvases. Emits "paint" (annotations), "overlay", "view", "image", "loaded", "failed". */
  constructor(root) {
    super();
    this.root = root;
    [this.imageCanvas, this.shapeCanvas, this.overlayCanvas] = root.querySelectorAll("canvas");
    this.viewport = new Viewport();
    this.imageLayer = new Layer(this.imageCanvas, (context, view, region) => this.picture?.draw(context, view, region) ?? 0);
    this.tool = null;
    this.panning = false;
    this.spaceHeld = false;
    this.item = null;
    this.picture = null;
    this.frame = 0;
    this.pointer = null;
    this.pointers = new Map();
    this.gesture = null;
    this.dirty = new Set();
    this.loadNumber = 0;
    this.isMoving = false;
    this.rest = debounce(() => this.#rest(), REST_MS);
    this.#listen();
  }

  get ratio() {
    return globalThis.devicePixelRatio || 1;
  }

  /** How many image pixels this many screen pixels are now. */
  reach(pixels) {
    return pixels / this.viewport.scale;
  }

  /** Shows an item from its first frame. Resolves when the image is on the canvas; rejects when it cannot be loaded. */
  open(item) {
    this.picture?.close();
    this.item = item;
    this.frame = 0;
    this.measure();
    this.viewport.setImage({ width: item.width, height: item.height });
    this.picture = pictureOf(item, { changed: (region) => this.imageChanged(region) });
    this.imageChanged();
    this.moved(false);
    return this.#load();
  }

  close() {
    this.loadNumber += 1;
    this.picture?.close();
    this.item = null;
    this.picture = null;
    this.imageChanged();
    this.#redraw();
  }

  setFrame(frame) {
    this.frame = frame;
    return this.#load();
  }

  /** Window and level of a grey DICOM file; null for the way the file asks for. Shown at once, without a request. */
  setWindow(window) {
    this.picture.setWindow(window);
    this.imageChanged();
  }

  /** The picture has other pixels than before, within a region of the image or everywhere. */
  imageChanged(region = null) {
    if (region) this.imageLayer.invalidateRegion(region);
    else this.imageLayer.invalidate();
    this.paint("image");
    this.dispatchEvent(new Event("image"));
  }

  /** What pictures need to know to choose a resolution. */
  get #look() {
    const { viewport, ratio, frame } = this;
    const { size, scale } = viewport;
    return { frame, ratio, viewport, pixels: Math.max(size.width, size.height) * scale * ratio };
  }

  /** The address of the picture that an item shows first, to be loaded ahead. */
  firstUrl(item) {
    if (isGrey(item)) return GreyFrames.urlOf(item, 0);
    const { width, height } = this.root.getBoundingClientRect();
    const viewport = new Viewport();
    viewport.resize({ width, height });
    viewport.setImage({ width: item.width, height: item.height });
    const side = stepFor(Math.max(item.width, item.height) * viewport.fitScale * this.ratio);
    return renditionUrl(item, { side });
  }

  async #load() {
    const number = (this.loadNumber += 1);
    const { picture } = this;
    this.root.classList.add("is-loading");
    try {
      await picture.load(this.#look);
    } catch (error) {
      if (number !== this.loadNumber) return;
      this.root.classList.remove("is-loading");
      this.dispatchEvent(new Event("failed"));
      throw new Error(say("image_failed"), { cause: error });
    }
    if (number !== this.loadNumber) return;
    this.root.classList.remove("is-loading");
    this.imageChanged();
    this.dispatchEvent(new Event("loaded"));
    this.rest();
  }

  measure() {
    const { width, height } = this.root.getBoundingClientRect();
    const ratio = this.ratio;
    const [w, h] = [width, height].map((side) => Math.max(Math.round(side * ratio), 1));
    for (const canvas of [this.imageCanvas, this.shapeCanvas, this.overlayCanvas]) {
      // Even the same size, set again, empties a canvas.
      if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
    }
    this.viewport.resize({ width, height });
  }

  /** Asks for a layer to be drawn before the next frame. */
  paint(...layers) {
    if (!this.dirty.size) requestAnimationFrame(() => this.#flush());
    for (const layer of layers) this.dirty.add(layer);
  }

  #flush() {
    const dirty = [...this.dirty];
    this.dirty.clear();
    if (dirty.includes("image")) this.imageLayer.paint(this.viewport, this.ratio, this.isMoving);
    if (dirty.includes("shapes")) this.dispatchEvent(new Event("paint"));
    if (dirty.includes("overlay")) {
      cleared(this.overlayCanvas, this.ratio, this.viewport);
      this.dispatchEvent(new Event("overlay"));
    }
  }

  #redraw() {
    this.paint("image", "shapes", "overlay");
  }

  /** To be called after each change of the viewport; `moving` says that more of them are likely to follow at once. */
  moved(moving = true) {
    this.isMoving = moving;
    this.root.classList.add("is-moving");
    this.#redraw();
    this.rest();
    this.dispatchEvent(new Event("view"));
  }

  #rest() {
    this.isMoving = false;
    this.root.classList.remove("is-moving");
    if (!this.item) return;
    this.#redraw();
    this.picture.refine(this.#look).catch((error) => console.info("No finer picture:", error.message));
  }

  zoomBy(factor, at) {
    this.viewport.zoomBy(factor, at);
    this.moved();
  }

  fit() {
    this.viewport.fit();
    this.moved(false);
  }

  actualSize() {
    this.viewport.zoomTo(1 / this.ratio);
    this.moved(false);
  }

  /** Turns the view by quarter turns clockwise; coordinates stay those of the image. */
  turnBy(quarters) {
    this.viewport.setTurn(this.viewport.turn + quarters);
    this.moved(false);
  }

  /** A step on the screen, right and down, as a step along the axes of the image. */
  alongImage([dx, dy]) {
    return [[dx, dy], [dy, -dx], [-dx, -dy], [-dy, dx]][this.viewport.turn];
  }

  setPanning(panning) {
    this.panning = panning;
    this.updateCursor();
  }

  updateCursor() {
    const pan = this.panning || this.spaceHeld;
    const cursor = this.gesture?.kind === "pan" ? "grabbing" : pan ? "grab" : (this.tool?.cursor ?? "default");
    this.root.dataset.cursor = this.viewport.turn % 2 ? (TURNED[cursor] ?? cursor) : cursor;
  }

  /** Where an event of the pointer is, in coordinates of the view. */
  positionOf(event) {
    const box = this.root.getBoundingClientRect();
    return this.viewport.toView([event.clientX - box.left, event.clientY - box.top]);
  }

  #listen() {
    new ResizeObserver(() => {
      this.measure();
      this.moved(false);
    }).observe(this.root);
    const on = (type, run, options) => this.root.addEventListener(type, run, options);
    on("pointerdown", (event) => this.#down(event));
    on("pointermove", (event) => this.#move(event));
    on("pointerup", (event) => this.#up(event));
    on("pointercancel", (event) => this.#up(event, true));
    on("pointerleave", () => this.#leave());
    on("dblclick", (event) => this.item && this.tool?.doubleClick?.(this.viewport.toImage(this.positionOf(event))));
    on("contextmenu", (event) => event.preventDefault());
    on("wheel", (event) => this.#wheel(event), { passive: false });
    document.addEventListener("keydown", (event) => this.#space(event, true));
    document.addEventListener("keyup", (event) => this.#space(event, false));
    addEventListener("blur", () => {
      this.spaceHeld = false;
      this.updateCursor();
    });
  }

  #space(event, held) {
    if (event.key !== " " || event.target.closest?.("input, button, a, select, textarea, summary, dialog")) return;
    if (held && this.item && this.root.offsetParent !== null) event.preventDefault();
    this.spaceHeld = held;
    this.updateCursor();
  }

  #down(event) {
    if (!this.item) return;
    document.activeElement?.blur?.();
    this.root.setPointerCapture(event.pointerId);
    const at = this.positionOf(event);
    this.pointers.set(event.pointerId, at);
    if (this.pointers.size === 2) {
      this.#interrupt();
      this.gesture = { kind: "pinch", ...this.#pinch() };
    } else if (event.button === 1 || (event.button === 0 && (this.panning || this.spaceHeld))) {
      event.preventDefault();
      this.gesture = { kind: "pan", at };
    } else if (event.button === 0) {
      this.gesture = { kind: "tool" };
      this.tool?.down?.(this.viewport.toImage(at), event);
    }
    this.updateCursor();
  }

  /** The press that the tool heard of was not meant for it; what was drawn before stays. */
  #interrupt() {
    if (this.tool?.interrupt) this.tool.interrupt();
    else this.tool?.cancel?.();
  }

  #pinch() {
    const [a, b] = [...this.pointers.values()];
    return { middle: [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2], spread: Math.hypot(a[0] - b[0], a[1] - b[1]) };
  }

  #move(event) {
    if (!this.item) return;
    const at = this.positionOf(event);
    this.pointer = at;
    if (this.pointers.has(event.pointerId)) this.pointers.set(event.pointerId, at);
    if (this.gesture?.kind === "pan") {
      // By whole pixels of the screen: then what is drawn already can be moved without a loss.
      const [dx, dy] = [0, 1].map((i) => Math.round((at[i] - this.gesture.at[i]) * this.ratio) / this.ratio);
      this.gesture.at = [this.gesture.at[0] + dx, this.gesture.at[1] + dy];
      this.viewport.pan(dx, dy);
      this.moved();
    } else if (this.gesture?.kind === "pinch" && this.pointers.size === 2) {
      const next = this.#pinch();
      this.viewport.pan(next.middle[0] - this.gesture.middle[0], next.middle[1] - this.gesture.middle[1]);
      this.viewport.zoomBy(next.spread / Math.max(this.gesture.spread, 1), next.middle);
      Object.assign(this.gesture, next);
      this.moved();
    } else {
      this.tool?.move?.(this.viewport.toImage(at), event);
      this.paint("overlay");
    }
    this.updateCursor();
  }

  #up(event, cancelled = false) {
    const at = this.positionOf(event);
    this.pointers.delete(event.pointerId);
    const kind = this.gesture?.kind;
    if (this.pointers.size === 0 || kind !== "pinch") this.gesture = null;
    if (kind === "tool") {
      if (cancelled) this.#interrupt();
      else this.tool?.up?.(this.viewport.toImage(at), event);
      this.paint("overlay");
    }
    this.updateCursor();
  }

  #leave() {
    this.pointer = null;
    this.paint("overlay");
  }

  #wheel(event) {
    if (!this.item) return;
    event.preventDefault();
    const unit = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? this.viewport.screen.height : 1;
    // A pinch on a touchpad comes as a wheel with ctrl and small steps.
    const strength = event.ctrlKey ? 0.01 : 0.0015;
    this.zoomBy(Math.exp(-Math.max(Math.min(event.deltaY * unit, 300), -300) * strength), this.positionOf(event));
  }
}
