// Draws the open image's annotations onto the stage: those that nobody works on, and over them the selected ones with
// their grips and what the tool in hand shows.

import { closeAt, drawClose, drawLabel, drawSelected } from "./render.js";
import { ShapeLayer } from "./shapes.js";
import { drawFrames, drawGrips } from "./tools/grips.js";

/** So many selected annotations are drawn as such; more get a frame each, or every movement of the pointer would be slow. */
const MANY = 200;
/** The line of what a model suggests and nobody has touched. */
const SUGGESTED = [6, 4];

export class Painter {
  /** `desk` is the DrawingView. */
  constructor(desk) {
    this.desk = desk;
    this.shapes = new ShapeLayer(desk.stage.shapeCanvas);
    desk.stage.addEventListener("paint", () => this.#paint());
    desk.stage.addEventListener("overlay", () => this.#paintOverlay());
  }

  #isSuggestion = (one) => this.desk.prelabels.isPending(one);
  #dashOf = (one) => this.#isSuggestion(one) ? SUGGESTED : this.desk.patterns.dashOf(one, !this.desk.store.canEdit(one.id));

  /** Ids of what the overlay draws instead: the selected ones, unless they are too many. */
  get #except() {
    const { selectedIds } = this.desk.store;
    return selectedIds.size > MANY ? new Set() : selectedIds;
  }

  #paint() {
    const { stage, store, tags, patterns, assignment, names, outline } = this.desk;
    const scene = {
      annotations: stage.item ? store.visible : [],
      except: new Set(this.#except),
      colourOf: tags.colourOf,
      textOf: this.desk.textOf,
      dashOf: this.#dashOf,
      isOpen: this.#isSuggestion,
      names,
      outline,
      style: [assignment?.id, names, outline, patterns.isOn, store.view.version, store.locked && store.newest].join(),
    };
    this.shapes.paint(scene, stage.viewport, stage.ratio, stage.isMoving);
  }

  #paintOverlay() {
    const { stage, tool, preview } = this.desk;
    const context = stage.overlayCanvas.getContext("2d");
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
    const [colour, name] = [tags.colourOf(one.label_class), this.desk.textOf(one)];
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
    if (pointer) drawLabel(context, pointer, text);
  }
}
