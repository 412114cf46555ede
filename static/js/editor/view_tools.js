// The right half of the toolbar: zoom, pan, brightness and contrast, image information, full screen; window and level and
// the frame slider of DICOM files.

import { byId, debounce, element, say } from "./dom.js";
import { fileWindow, frameWindow, fullWindow, hasWindow } from "./levels.js";

export class ViewTools {
  /** `onFrame(frame)` is called before a frame is loaded. */
  constructor(stage, page, { onFrame = () => {} } = {}) {
    this.stage = stage;
    this.page = page;
    this.onFrame = onFrame;
    this.assignments = [];
    this.window = null;
    this.reload = debounce((window) => this.#settle(stage.setWindow(window)), 140);
    this.loadFrame = debounce((frame) => this.#settle(stage.setFrame(frame)), 60);
    const click = (id, run) => byId(id).addEventListener("click", run);
    click("zoom-in", () => this.zoomIn());
    click("zoom-out", () => this.zoomOut());
    click("zoom-fit", () => stage.fit());
    click("zoom-actual", () => stage.actualSize());
    click("tool-pan", () => this.togglePan());
    click("tool-window", () => this.toggleWindow());
    click("window-reset", () => this.#setWindow(null));
    click("tool-info", () => this.showInfo());
    click("tool-full", () => this.toggleFull());
    click("light-reset", () => this.#setLight(100, 100));
    byId("zoom-slider").addEventListener("input", (event) => {
      stage.viewport.slider = Number(event.target.value) / 100;
      stage.moved();
    });
    for (const id of ["brightness", "contrast"]) {
      byId(id).addEventListener("input", () => this.#setLight(Number(byId("brightness").value), Number(byId("contrast").value)));
    }
    byId("frame-slider").addEventListener("input", (event) => this.setFrame(Number(event.target.value) - 1));
    stage.addEventListener("view", () => this.#showZoom());
    document.addEventListener("fullscreenchange", () => {
      byId("tool-full").setAttribute("aria-pressed", String(document.fullscreenElement !== null));
    });
  }

  #settle(loading) {
    loading.catch((error) => this.page.show(error.message));
  }

  /** A new page of items is open. */
  open(assignments) {
    this.assignments = assignments;
    const single = assignments.length === 1;
    const item = assignments[0]?.item;
    for (const node of document.querySelectorAll("[data-single-only]")) node.hidden = !single;
    for (const node of document.querySelectorAll("[data-dicom-only]")) node.hidden = !(single && hasWindow(item));
    byId("frames").hidden = !(single && item.frames > 1);
    if (!single) return;
    byId("frame-slider").max = String(item.frames);
    this.#showFrame(0);
    this.window = null;
    this.windowStart = fileWindow(item);
    this.stopWindow();
    this.#showWindow();
    this.#showZoom();
  }

  zoomIn() {
    this.stage.zoomBy(1.25);
  }

  zoomOut() {
    this.stage.zoomBy(0.8);
  }

  #showZoom() {
    const { viewport, ratio } = this.stage;
    byId("zoom-slider").value = String(Math.round(viewport.slider * 100));
    byId("zoom-value").textContent = `${Math.round(viewport.scale * ratio * 100)} %`;
  }

  togglePan() {
    this.stopWindow();
    this.stage.setPanning(!this.stage.panning);
    byId("tool-pan").setAttribute("aria-pressed", String(this.stage.panning));
  }

  #setLight(brightness, contrast) {
    byId("brightness").value = String(brightness);
    byId("contrast").value = String(contrast);
    byId("brightness-value").textContent = `${brightness} %`;
    byId("contrast-value").textContent = `${contrast} %`;
    const plain = brightness === 100 && contrast === 100;
    byId("label-page").style.setProperty("--image-filter", plain ? "none" : `brightness(${brightness}%) contrast(${contrast}%)`);
  }

  showInfo() {
    const list = byId("info-list");
    list.replaceChildren(...this.assignments.flatMap(({ item }) => factsOf(item)));
    byId("info-dialog").showModal();
  }

  async toggleFull() {
    try {
      if (document.fullscreenElement) await document.exitFullscreen();
      else await byId("label-page").requestFullscreen();
    } catch (error) {
      console.info("No full screen:", error.message);
      this.page.show(say("no_full_screen"));
    }
  }

  // --- Frames ---

  stepFrame(by) {
    const item = this.assignments.length === 1 ? this.assignments[0].item : null;
    if (!item || item.frames < 2) return false;
    this.setFrame(Math.min(Math.max(this.stage.frame + by, 0), item.frames - 1));
    return true;
  }

  setFrame(frame) {
    this.stage.frame = frame;
    this.#showFrame(frame);
    this.onFrame(frame);
    this.loadFrame(frame);
  }

  #showFrame(frame) {
    const total = this.assignments[0].item.frames;
    byId("frame-slider").value = String(frame + 1);
    byId("frame-value").textContent = say("frame_of", { n: frame + 1, total });
    byId("frame-slider").setAttribute("aria-valuetext", say("frame_of", { n: frame + 1, total }));
  }

  // --- Window and level ---

  toggleWindow() {
    const item = this.assignments.length === 1 ? this.assignments[0].item : null;
    if (!item || !hasWindow(item)) return false;
    if (this.windowTool) this.stopWindow();
    else {
      this.#findWindow(item);
      this.windowTool = { before: this.stage.tool, panning: this.stage.panning };
      this.stage.tool?.cancel?.();
      this.stage.tool = new WindowTool(this);
      this.stage.setPanning(false);
      byId("tool-window").setAttribute("aria-pressed", "true");
      byId("tool-pan").setAttribute("aria-pressed", "false");
    }
    return true;
  }

  /** Where the file names no window, the site shows the range of the frame: dragging starts from there. */
  async #findWindow(item) {
    if (this.windowStart) return;
    try {
      const found = await frameWindow(item, this.stage.frame);
      if (this.assignments[0]?.item === item) this.windowStart ??= found;
    } catch (error) {
      console.info("The range of this frame could not be read:", error.message);
    }
  }

  /** Gives the pointer back to the tool that had it. */
  stopWindow() {
    if (!this.windowTool) return;
    if (this.stage.tool instanceof WindowTool) this.stage.tool = this.windowTool.before;
    this.stage.setPanning(this.windowTool.panning);
    this.windowTool = null;
    byId("tool-window").setAttribute("aria-pressed", "false");
  }

  #setWindow(window) {
    this.window = window;
    this.#showWindow();
    this.reload(window);
  }

  get startWindow() {
    return this.windowStart ?? fullWindow(this.assignments[0].item);
  }

  /** Drags change the width sideways and the centre up and down, in steps that suit the window at the start. */
  dragWindow([centre, width], dx, dy) {
    const step = Math.max(this.startWindow[1], 1) / 300;
    this.#setWindow([centre + dy * step, Math.max(width + dx * step, 1)]);
  }

  #showWindow() {
    const [centre, width] = this.window ?? [0, 0];
    byId("window-value").textContent = say(this.window ? "window_value" : "window_default", {
      centre: Math.round(centre),
      width: Math.round(width),
    });
  }
}

/** W: drag over the image. Distances are screen pixels, so it feels the same at every zoom. */
class WindowTool {
  name = "window";
  cursor = "all-scroll";

  constructor(tools) {
    this.tools = tools;
    this.from = null;
  }

  down(_point, event) {
    this.from = { x: event.clientX, y: event.clientY, window: this.tools.window ?? this.tools.startWindow };
  }

  move(_point, event) {
    if (this.from) this.tools.dragWindow(this.from.window, event.clientX - this.from.x, event.clientY - this.from.y);
  }

  up() {
    this.from = null;
    this.tools.reload.flush();
  }

  cancel() {
    const was = this.from !== null;
    this.from = null;
    return was;
  }
}

function factsOf(item) {
  const rows = [
    [say("info_name"), item.path],
    [say("info_size"), say("info_pixels", { width: item.width, height: item.height })],
  ];
  if (item.frames > 1) rows.push([say("info_frames"), String(item.frames)]);
  const { format, dicom, notes = [] } = item.facts ?? {};
  if (format) rows.push([say("info_format"), format]);
  for (const name of ["modality", "photometric", "bits_stored"]) {
    if (dicom?.[name]) rows.push([say(`info_${name}`), String(dicom[name])]);
  }
  for (const note of notes) rows.push([say("info_note"), note]);
  return rows.flatMap(([name, value]) => [element("dt", { textContent: name }), element("dd", { textContent: value })]);
}
