// DICOM: window and level by dragging and by presets, the frame slider, and cine.

import { byId, debounce, element, say, storage } from "./dom.js";
import { hasWindow, presetWindow, presetsOf, startWindow } from "./levels.js";

const SPEED_KEY = "tessera.cine";

export class DicomTools {
  /** `borrow(tool, button)` lends the pointer to a tool; `onFrame(frame)` is called before a frame is loaded. */
  constructor(stage, page, { borrow, onFrame }) {
    Object.assign(this, { stage, page, borrow, onFrame });
    this.item = null;
    this.window = null;
    this.preset = "file";
    this.tool = new WindowTool(this);
    this.playing = 0;
    this.loadFrame = debounce((frame) => this.#settle(stage.setFrame(frame)), 60);
    byId("frame-slider").addEventListener("input", (event) => {
      this.stop();
      this.setFrame(Number(event.target.value) - 1);
    });
    byId("window-preset").addEventListener("change", (event) => this.setPreset(event.target.value));
    byId("tool-window").addEventListener("click", () => this.toggleWindow());
    byId("tool-play").addEventListener("click", () => this.togglePlay());
    const speed = byId("cine-speed");
    const saved = String(storage.get(SPEED_KEY));
    if ([...speed.options].some((option) => option.value === saved)) speed.value = saved;
    speed.addEventListener("change", () => storage.set(SPEED_KEY, Number(speed.value)));
    // Whoever draws while frames run past would draw on another frame.
    stage.root.addEventListener("pointerdown", () => this.stop(), true);
    stage.addEventListener("loaded", () => this.item && this.#showWindow());
  }

  #settle(loading) {
    return loading.catch((error) => this.page.show(error.message));
  }

  /** A page is open; `item` is its only item, or null for a grid. */
  open(item) {
    this.stop();
    this.item = item;
    this.window = null;
    this.preset = "file";
    for (const node of document.querySelectorAll("[data-dicom-only]")) node.hidden = !this.#hasWindow;
    byId("frames").hidden = !(item?.frames > 1);
    if (!item) return;
    byId("frame-slider").max = String(item.frames);
    this.#showFrame(0);
    if (!this.#hasWindow) return;
    const options = presetsOf(item).map((name) => element("option", { value: name, textContent: say(`preset_${name}`) }));
    byId("window-preset").replaceChildren(...options, element("option", { value: "own", textContent: say("preset_own"), hidden: true }));
    this.#showWindow();
  }

  get #hasWindow() {
    return this.item !== null && hasWindow(this.item);
  }

  /** The frame that shows, once its values are there. */
  get #values() {
    return this.stage.picture?.frame ?? null;
  }

  // --- Frames ---

  stepFrame(by) {
    if (!this.item || this.item.frames < 2) return false;
    this.stop();
    this.setFrame(Math.min(Math.max(this.stage.frame + by, 0), this.item.frames - 1));
    return true;
  }

  setFrame(frame) {
    this.#announce(frame);
    this.loadFrame(frame);
  }

  #announce(frame) {
    this.stage.frame = frame;
    this.#showFrame(frame);
    this.onFrame(frame);
  }

  #showFrame(frame) {
    const said = say("frame_of", { n: frame + 1, total: this.item.frames });
    byId("frame-slider").value = String(frame + 1);
    byId("frame-value").textContent = said;
    byId("frame-slider").setAttribute("aria-valuetext", said);
  }

  // --- Cine ---

  togglePlay() {
    if (!this.item || this.item.frames < 2) return false;
    if (this.playing) this.stop();
    else this.#play();
    return true;
  }

  stop() {
    this.playing = 0;
    byId("tool-play").setAttribute("aria-pressed", "false");
  }

  /** One frame after the other; a slow connection slows it down, but leaves none out. */
  async #play() {
    const run = (this.playing = Math.random());
    const { item, stage } = this;
    byId("tool-play").setAttribute("aria-pressed", "true");
    while (this.playing === run && this.item === item) {
      const due = performance.now() + 1000 / Number(byId("cine-speed").value);
      const next = (stage.frame + 1) % item.frames;
      this.#announce(next);
      try {
        await stage.setFrame(next);
      } catch (error) {
        this.page.show(error.message);
        this.stop();
        return;
      }
      stage.picture?.prefetch?.((next + 1) % item.frames);
      await new Promise((resolve) => setTimeout(resolve, Math.max(due - performance.now(), 0)));
    }
  }

  // --- Window and level ---

  toggleWindow() {
    if (!this.#hasWindow) return false;
    this.borrow(this.tool, byId("tool-window"));
    return true;
  }

  setPreset(name) {
    if (!this.#values) return;
    this.preset = name;
    this.#setWindow(presetWindow(name, this.#values));
  }

  stepPreset() {
    if (!this.#hasWindow || !this.#values) return false;
    const names = presetsOf(this.item);
    this.setPreset(names[(names.indexOf(this.preset) + 1) % names.length]);
    this.page.show(say(`preset_${this.preset}`));
    return true;
  }

  /** The window that a drag begins with; null before the values are there. */
  get start() {
    return this.#values && (this.window ?? startWindow(this.#values));
  }

  /** Drags change the width sideways and the centre up and down, in steps that suit the window of the file. */
  drag([centre, width], dx, dy) {
    const step = Math.max(startWindow(this.#values)[1], 1) / 300;
    this.preset = "own";
    this.#setWindow([centre + dy * step, Math.max(width + dx * step, 1)]);
  }

  #setWindow(window) {
    this.window = window;
    this.stage.setWindow(window);
    this.#showWindow();
  }

  #showWindow() {
    const values = this.#values;
    const window = this.window ?? values?.window;
    byId("window-preset").value = this.preset;
    const [centre, width] = window ?? [0, 0];
    byId("window-value").textContent = window
      ? say("window_value", { centre: Math.round(centre), width: Math.round(width) })
      : say("window_default");
  }
}

/** W: drag over the image. Distances are screen pixels, so it feels the same at every zoom and turn. */
class WindowTool {
  name = "window";
  cursor = "all-scroll";

  constructor(tools) {
    this.tools = tools;
    this.from = null;
  }

  down(_point, event) {
    const { start } = this.tools;
    this.from = start && { x: event.clientX, y: event.clientY, window: start };
  }

  move(_point, event) {
    if (this.from) this.tools.drag(this.from.window, event.clientX - this.from.x, event.clientY - this.from.y);
  }

  up() {
    this.from = null;
  }

  cancel() {
    const was = this.from !== null;
    this.from = null;
    return was;
  }
}
