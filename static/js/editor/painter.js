// Draws the open image's annotations onto the stage: those that nobody works on, and over them the selected ones with
// their grips and what the tool in hand shows.

import { cleared, closeAt, drawAnnotations, drawClose, drawSelected } from "./render.js";
import { drawFrames, drawGrips } from "./tools/grips.js";

/** So many selected annotations are drawn as such; more get a frame each, or every movement of the pointer would be slow. */
const MANY = 200;

export class Painter {
  /** `desk` is the DrawingView. */
  constructor(desk) {
    this.desk = desk;
    desk.stage.addEventListener("paint", () => this.#paint());
    desk.stage.addEventListener("overlay", () => this.#paintOverlay());
  }

  #dashOf = (one) => this.desk.patterns.dashOf(one, !this.desk.store.canEdit(one.id));

  /** Ids of what the overlay draws instead: the selected ones, unless they are too many. */
  get #except() {
    const { selectedIds } = this.desk.store;
    return selectedIds.size > MANY ? new Set() : selectedIds;
  }

  #paint() {
    const { stage, store, tags, names } = this.desk;
    const context = cleared(stage.shapeCanvas, stage.ratio);
    if (!stage.item) return;
    drawAnnotations(context, store.visible, stage.viewport, {
      colourOf: tags.colourOf,
      nameOf: tags.nameOf,
      dashOf: this.#dashOf,
      names,
      fill: true,
      except: this.#except,
    });
  }

  #paintOverlay() {
    const { stage, tool, preview } = this.desk;
    const context = cleared(stage.overlayCanvas, stage.ratio);
    if (!stage.item) return;
    const changing = new Map((preview ?? []).map((one) => [one.id, one]));
    const ones = this.desk.store.chosen.map((one) => changing.get(one.id) ?? one);
    if (ones.length > MANY) drawFrames(context, ones, stage.viewport);
    else for (const one of ones) this.#drawSelected(context, one);
    if (ones.length === 1) this.#drawGrips(context, ones[0]);
    if (stage.tool === tool && !stage.panning) tool.draw?.(context);
  }

  #drawSelected(context, one) {
    const { stage, tags, names } = this.desk;
    const [colour, name] = [tags.colourOf(one.label_class), tags.nameOf(one.label_class)];
    drawSelected(context, one, stage.viewport, { colour, name, names, dash: this.#dashOf(one) });
  }

  #drawGrips(context, one) {
    const { stage, store, tags, preview, tool, commands } = this.desk;
    if (!store.canEdit(one.id)) return;
    drawGrips(context, one, stage.viewport, tags.colourOf(one.label_class), preview ? null : commands.hand.grip);
    if (!preview && tool.hasClose) drawClose(context, closeAt(one, stage.viewport));
  }

  /** A short text beside the pointer. */
  drawMeasure(context, text) {
    const { pointer } = this.desk.stage;
    if (!pointer) return;
    context.font = "12px system-ui, sans-serif";
    const width = context.measureText(text).width + 10;
    context.fillStyle = "rgb(20 24 28 / 0.85)";
    context.fillRect(pointer[0] + 12, pointer[1] + 14, width, 20);
    context.fillStyle = "#ffffff";
    context.textBaseline = "middle";
    context.fillText(text, pointer[0] + 17, pointer[1] + 24.5);
  }
}
