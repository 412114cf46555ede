// The right half of the toolbar: zoom, pan, turn, ruler, the panel "View", image information, full screen, and what DICOM
// files have besides.

import { DicomTools } from "./dicom_tools.js";
import { byId, element, say } from "./dom.js";
import { boundsOfAll } from "./geometry.js";
import { Look } from "./look.js";
import { RulerTool } from "./ruler.js";

export class ViewTools {
  /** `onFrame(frame)` is called before a frame is loaded, `onOutline(on)` for shapes; `selection()` lists the selected annotations. */
  constructor(stage, page, { onFrame = () => {}, onOutline = () => {}, selection = () => [] } = {}) {
    this.stage = stage;
    this.page = page;
    this.selection = selection;
    this.assignments = [];
    this.borrowed = null;
    this.ruler = new RulerTool(stage, page);
    this.look = new Look(stage, page, { onOutline });
    this.dicom = new DicomTools(stage, page, { borrow: (tool, button) => this.#borrow(tool, button), onFrame });
    const click = (id, run) => byId(id)?.addEventListener("click", run);
    click("zoom-in", () => this.zoomIn());
    click("zoom-out", () => this.zoomOut());
    click("zoom-fit", () => stage.fit());
    click("zoom-actual", () => stage.actualSize());
    click("zoom-object", () => this.zoomToObject());
    click("tool-pan", () => this.togglePan());
    click("tool-ruler", () => this.toggleRuler());
    click("turn-left", () => this.turn(-1));
    click("turn-right", () => this.turn(1));
    click("tool-info", () => this.showInfo());
    click("tool-full", () => this.toggleFull());
    byId("zoom-slider").addEventListener("input", (event) => {
      stage.viewport.slider = Number(event.target.value) / 100;
      stage.moved();
    });
    stage.addEventListener("view", () => this.#showView());
    stage.addEventListener("overlay", () => {
      if (stage.tool === this.ruler) this.ruler.draw(stage.overlayCanvas.getContext("2d"));
    });
    document.addEventListener("fullscreenchange", () => {
      byId("tool-full").setAttribute("aria-pressed", String(document.fullscreenElement !== null));
    });
  }

  /** What the actions of the registry of keys do here. */
  get actions() {
    const { stage, look, dicom } = this;
    return {
      fit: () => stage.fit(),
      actual: () => stage.actualSize(),
      zoom_in: () => this.zoomIn(),
      zoom_out: () => this.zoomOut(),
      zoom_object: () => this.zoomToObject(),
      turn_left: () => this.turn(-1),
      turn_right: () => this.turn(1),
      ruler: () => this.toggleRuler(),
      look: () => look.toggle(),
      brightness: () => look.toggle("brightness"),
      contrast: () => look.toggle("contrast"),
      gamma: () => look.toggle("gamma"),
      invert: () => look.flip("invert"),
      outline: () => look.flip("outline"),
      opacity: () => look.stepOpacity(),
      crosshair: () => look.flip("crosshair"),
      minimap: () => look.flip("minimap"),
      window: () => dicom.toggleWindow(),
      preset: () => dicom.stepPreset(),
      previous_frame: () => dicom.stepFrame(-1),
      next_frame: () => dicom.stepFrame(1),
      play: () => dicom.togglePlay(),
    };
  }

  /** A new page of items is open. */
  open(assignments) {
    this.assignments = assignments;
    const single = assignments.length === 1;
    for (const node of document.querySelectorAll("[data-single-only]")) node.hidden = !single;
    this.stopTool();
    this.dicom.open(single ? assignments[0].item : null);
    this.#showView();
  }

  /** Esc: closes the panel, else stops what a tool of the view does. True when there was something. */
  cancel() {
    if (this.look.close()) return true;
    return this.borrowed?.tool.cancel() ?? false;
  }

  zoomIn() {
    this.stage.zoomBy(1.25);
  }

  zoomOut() {
    this.stage.zoomBy(0.8);
  }

  zoomToObject() {
    const ones = this.selection();
    if (!ones.length) {
      this.page.show(say("select_region_first"));
      return;
    }
    this.stage.viewport.showRegion(boundsOfAll(ones));
    this.stage.moved(false);
  }

  /** By quarter turns clockwise; a grid has no turn. */
  turn(quarters) {
    if (this.assignments.length !== 1) return false;
    this.stage.turnBy(quarters);
    this.page.say(say("turned", { n: this.stage.viewport.turn * 90 }));
    return true;
  }

  #showView() {
    const { viewport, ratio } = this.stage;
    byId("zoom-slider").value = String(Math.round(viewport.slider * 100));
    byId("zoom-value").textContent = `${Math.round(viewport.scale * ratio * 100)} %`;
    byId("turn-value").textContent = `${viewport.turn * 90}°`;
  }

  togglePan() {
    this.stopTool();
    this.stage.setPanning(!this.stage.panning);
    byId("tool-pan").setAttribute("aria-pressed", String(this.stage.panning));
  }

  toggleRuler() {
    if (this.assignments.length !== 1) return false;
    this.#borrow(this.ruler, byId("tool-ruler"));
    return true;
  }

  // --- The pointer on loan ---

  /** Lends the pointer to a tool of the view, or takes it back from the same one. */
  #borrow(tool, button) {
    const isSame = this.borrowed?.tool === tool;
    this.stopTool();
    if (isSame) return;
    const { stage } = this;
    this.borrowed = { tool, button, before: stage.tool, panning: stage.panning };
    stage.tool?.cancel?.();
    stage.tool = tool;
    stage.setPanning(false);
    button.setAttribute("aria-pressed", "true");
    byId("tool-pan").setAttribute("aria-pressed", "false");
    stage.paint("overlay");
  }

  /** Gives the pointer back to the tool that had it. */
  stopTool() {
    if (!this.borrowed) return;
    const { tool, button, before, panning } = this.borrowed;
    this.borrowed = null;
    tool.cancel();
    if (this.stage.tool === tool) this.stage.tool = before;
    this.stage.setPanning(panning);
    button.setAttribute("aria-pressed", "false");
    byId("tool-pan").setAttribute("aria-pressed", String(panning));
    this.stage.paint("overlay");
  }

  // --- Information, full screen ---

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

  setFrame(frame) {
    this.dicom.setFrame(frame);
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
