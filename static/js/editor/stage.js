// One image on three canvases: image, annotations, what is being done. Turns pointers and the wheel into zoom, pan and
// calls of the current tool; loads renditions and swaps in a finer one when the zoom asks for it.

import { debounce, say } from "./dom.js";
import { drawImage } from "./render.js";
import { pictureFor } from "./pictures.js";
import { FINEST, renditionUrl, stepFor } from "./renditions.js";
import { Viewport } from "./viewport.js";

export class Stage extends EventTarget {
  /** `root` holds three canvases. Emits "paint" (annotations), "overlay", "view", "loaded", "failed". */
  constructor(root) {
    super();
    this.root = root;
    [this.imageCanvas, this.shapeCanvas, this.overlayCanvas] = root.querySelectorAll("canvas");
    this.viewport = new Viewport();
    this.tool = null;
    this.panning = false;
    this.spaceHeld = false;
    this.item = null;
    this.image = null;
    this.frame = 0;
    this.window = null;
    this.pointer = null;
    this.pointers = new Map();
    this.gesture = null;
    this.dirty = new Set();
    this.loadNumber = 0;
    this.refine = debounce(() => this.#refine(), 250);
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
    this.item = item;
    this.image = null;
    this.frame = 0;
    this.window = null;
    this.measure();
    this.viewport.setImage({ width: item.width, height: item.height });
    this.#redraw();
    this.side = this.#side();
    return this.#load(this.side);
  }

  close() {
    this.loadNumber += 1;
    this.item = null;
    this.image = null;
    this.#redraw();
  }

  setFrame(frame) {
    this.frame = frame;
    return this.#load(this.side);
  }

  setWindow(window) {
    this.window = window;
    return this.#load(this.side);
  }

  #side(upTo) {
    const { size, scale } = this.viewport;
    return stepFor(Math.max(size.width, size.height) * scale * this.ratio, upTo);
  }

  /** The address of the picture that an item shows first, to be loaded ahead. */
  firstUrl(item) {
    const { width, height } = this.root.getBoundingClientRect();
    const viewport = new Viewport();
    viewport.resize({ width, height });
    viewport.setImage({ width: item.width, height: item.height });
    const side = stepFor(Math.max(item.width, item.height) * viewport.fitScale * this.ratio);
    return renditionUrl(item, { side });
  }

  async #load(side) {
    const number = (this.loadNumber += 1);
    const image = pictureFor(renditionUrl(this.item, { side, frame: this.frame, window: this.window }));
    this.root.classList.add("is-loading");
    try {
      await image.decode();
    } catch (error) {
      if (number !== this.loadNumber) return;
      this.root.classList.remove("is-loading");
      this.dispatchEvent(new Event("failed"));
      throw new Error(say("image_failed"), { cause: error });
    }
    if (number !== this.loadNumber) return;
    this.root.classList.remove("is-loading");
    this.image = image;
    this.side = side;
    this.paint("image");
    this.dispatchEvent(new Event("loaded"));
  }

  /** Zoomed in past what the rendition shows: loads a finer one, and keeps the coarse one on screen until it is there. */
  #refine() {
    if (!this.item || !this.image) return;
    const full = Math.max(this.item.width, this.item.height);
    const wanted = this.#side(FINEST);
    if (wanted > this.side && this.side < full) {
      this.#load(wanted).catch((error) => console.info("No finer rendition:", error.message));
    }
  }

  measure() {
    const { width, height } = this.root.getBoundingClientRect();
    const ratio = this.ratio;
    for (const canvas of [this.imageCanvas, this.shapeCanvas, this.overlayCanvas]) {
      canvas.width = Math.max(Math.round(width * ratio), 1);
      canvas.height = Math.max(Math.round(height * ratio), 1);
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
    if (dirty.includes("image")) drawImage(this.imageCanvas, this.image, this.viewport, this.ratio);
    if (dirty.includes("shapes")) this.dispatchEvent(new Event("paint"));
    if (dirty.includes("overlay")) this.dispatchEvent(new Event("overlay"));
  }

  #redraw() {
    this.paint("image", "shapes", "overlay");
  }

  /** To be called after each change of the viewport. */
  moved() {
    this.#redraw();
    this.refine();
    this.dispatchEvent(new Event("view"));
  }

  zoomBy(factor, at) {
    this.viewport.zoomBy(factor, at);
    this.moved();
  }

  fit() {
    this.viewport.fit();
    this.moved();
  }

  actualSize() {
    this.viewport.zoomTo(1 / this.ratio);
    this.moved();
  }

  setPanning(panning) {
    this.panning = panning;
    this.updateCursor();
  }

  updateCursor() {
    const pan = this.panning || this.spaceHeld;
    this.root.dataset.cursor = this.gesture?.kind === "pan" ? "grabbing" : pan ? "grab" : (this.tool?.cursor ?? "default");
  }

  #position(event) {
    const box = this.root.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  #listen() {
    new ResizeObserver(() => {
      this.measure();
      this.moved();
    }).observe(this.root);
    const on = (type, run, options) => this.root.addEventListener(type, run, options);
    on("pointerdown", (event) => this.#down(event));
    on("pointermove", (event) => this.#move(event));
    on("pointerup", (event) => this.#up(event));
    on("pointercancel", (event) => this.#up(event, true));
    on("pointerleave", () => this.#leave());
    on("dblclick", (event) => this.item && this.tool?.doubleClick?.(this.viewport.toImage(this.#position(event))));
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
    const at = this.#position(event);
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
    const at = this.#position(event);
    this.pointer = at;
    if (this.pointers.has(event.pointerId)) this.pointers.set(event.pointerId, at);
    if (this.gesture?.kind === "pan") {
      this.viewport.pan(at[0] - this.gesture.at[0], at[1] - this.gesture.at[1]);
      this.gesture.at = at;
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
    const at = this.#position(event);
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
    this.zoomBy(Math.exp(-Math.max(Math.min(event.deltaY * unit, 300), -300) * strength), this.#position(event));
  }
}
