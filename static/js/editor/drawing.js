// The page of a box or polygon project: one image, tools, objects. Tools see this class as their desk.

import { byId, newId, say } from "./dom.js";
import { moved } from "./geometry.js";
import { Objects } from "./objects.js";
import { percent, Prelabels } from "./prelabels.js";
import { cleared, closeAt, drawAnnotations, drawClose, drawSelected } from "./render.js";
import { Store } from "./store.js";
import { BoxTool } from "./tools/box.js";
import { PointsTool } from "./tools/points.js";
import { PolygonTool } from "./tools/polygon.js";
import { SelectTool } from "./tools/select.js";
import { TemplateTool } from "./tools/template.js";

const TOOLS = { box: [SelectTool, BoxTool, TemplateTool], polygon: [SelectTool, PolygonTool, PointsTool] };
const CLOSE_REACH = 12;

export class DrawingView extends EventTarget {
  /** `kind` is "box" or "polygon". Emits "change" with {assignment, operation, source} (store.js) when what would be submitted changes. */
  constructor({ kind, stage, tags, page, project }) {
    super();
    this.prelabels = new Prelabels(project.id, page, { onThreshold: () => this.refresh() });
    this.kind = kind;
    this.stage = stage;
    this.tags = tags;
    this.page = page;
    this.preview = null;
    this.names = true;
    this.assignment = null;
    this.store = new Store();
    this.classId = tags.classes.length === 1 ? tags.classes[0].id : null;
    this.tools = new Map(TOOLS[kind].map((Tool) => new Tool(this)).map((tool) => [tool.name, tool]));
    this.objects = new Objects(tags, {
      noteOf: (one) => (this.prelabels.isPending(one) ? say("suggested", { percent: percent(one.confidence) }) : ""),
      onPick: (id) => this.pickObject(id),
      onDelete: (id) => this.delete(id),
    });
    stage.root.hidden = false;
    stage.root.addEventListener("pointerdown", (event) => this.#pressClose(event), true);
    stage.addEventListener("paint", () => this.#paint());
    stage.addEventListener("overlay", () => this.#paintOverlay());
    this.setTool(kind);
  }

  /** Opens the page's only item with these annotations; resolves when its image shows. */
  open(assignments, answers) {
    [this.assignment] = assignments;
    const { item } = this.assignment;
    this.cancel();
    this.preview = null;
    this.prelabels.open(assignments, { single: false });
    const annotations = this.prelabels.adopt(answers.get(this.assignment.id));
    this.store = new Store({ size: { width: item.width, height: item.height }, annotations });
    this.store.isVeiled = (one) => this.prelabels.isVeiled(one);
    for (const id of this.hiddenClasses ?? []) this.store.hidden.add(id);
    this.hiddenClasses = this.store.hidden;
    this.store.setLocked(byId("tool-lock").getAttribute("aria-pressed") === "true");
    const assignment = this.assignment.id;
    this.store.addEventListener("change", ({ detail }) => {
      this.refresh();
      this.dispatchEvent(new CustomEvent("change", { detail: { assignment, ...detail } }));
    });
    for (const type of ["select", "view"]) this.store.addEventListener(type, () => this.refresh());
    this.refresh();
    return this.stage.open(item);
  }

  close() {
    this.cancel();
    this.assignment = null;
    this.store = new Store();
    this.prelabels.open([], {});
    this.stage.close();
    this.refresh();
  }

  /** Assignment id → annotations, as they would be submitted. */
  answers() {
    return new Map(this.assignment ? [[this.assignment.id, this.prelabels.sent(this.store.annotations)]] : []);
  }

  /** Why the page cannot be submitted, as the key of a sentence, or null. */
  problem() {
    if (this.tool.isDrawing) return "finish_polygon";
    return this.store.annotations.some((one) => !this.prelabels.isVeiled(one)) ? null : "nothing_drawn";
  }

  get hasEdits() {
    return this.store.canUndo;
  }

  // --- What tools ask for ---

  get colour() {
    return this.classId === null ? "#ffffff" : this.tags.colourOf(this.classId);
  }

  /** True when a class is chosen; otherwise asks for one. */
  classReady() {
    if (this.classId !== null) return true;
    this.tell("choose_class");
    this.tags.nudge();
    return false;
  }

  add(shape) {
    if (this.store.hidden.has(this.classId)) this.#unhide(this.classId);
    this.store.add([{ id: newId(), label_class: this.classId, frame: this.store.frame, ...shape }]);
    this.page.say(say("object_added", { name: this.tags.nameOf(this.classId) }));
  }

  tell(key) {
    this.page.show(say(key));
  }

  drawMeasure(context, text) {
    const { pointer } = this.stage;
    if (!pointer) return;
    context.font = "12px system-ui, sans-serif";
    const width = context.measureText(text).width + 10;
    context.fillStyle = "rgb(20 24 28 / 0.85)";
    context.fillRect(pointer[0] + 12, pointer[1] + 14, width, 20);
    context.fillStyle = "#ffffff";
    context.textBaseline = "middle";
    context.fillText(text, pointer[0] + 17, pointer[1] + 24.5);
  }

  /** Brings everything around the canvas up to date. */
  refresh() {
    const counts = new Map();
    for (const one of this.store.annotations.filter((one) => !this.prelabels.isVeiled(one))) counts.set(one.label_class, (counts.get(one.label_class) ?? 0) + 1);
    this.tags.show({ active: new Set(this.classId === null ? [] : [this.classId]), counts });
    this.objects.show(this.store);
    this.prelabels.show(this.store);
    byId("tool-undo").disabled = !this.store.canUndo && !this.tool.isDrawing;
    byId("tool-redo").disabled = !this.store.canRedo && !this.tool.taken?.length;
    byId("tool-delete-all").disabled = !this.store.annotations.length;
    this.page.refresh();
    this.stage.paint("shapes", "overlay");
  }

  // --- Actions ---

  setTool(name) {
    if (!this.tools.has(name)) return false;
    this.tool?.cancel?.();
    this.tool = this.tools.get(name);
    this.stage.tool = this.tool;
    this.stage.setPanning(false);
    for (const button of document.querySelectorAll("[data-tool]")) {
      button.setAttribute("aria-pressed", String(button.dataset.tool === name));
    }
    byId("tool-pan").setAttribute("aria-pressed", "false");
    this.refresh();
    return true;
  }

  /** A class was chosen: with M or U it becomes that of the selected object, otherwise that of the next one. */
  pick(id) {
    this.page.hideHint();
    this.classId = id;
    const one = this.store.selection;
    if (one && one.label_class !== id && (this.tool.name === "move" || this.tool.name === "points")) {
      if (this.store.canEdit(one.id)) {
        this.store.replace([{ ...one, label_class: id }]);
        this.page.say(say("class_changed", { name: this.tags.nameOf(id) }));
      } else this.tell("is_locked");
    }
    this.refresh();
  }

  hide(id, hidden) {
    this.store.setHidden(id, hidden);
  }

  #unhide(id) {
    this.tags.showHidden(id, false);
    this.store.setHidden(id, false);
  }

  pickObject(id) {
    const one = this.store.get(id);
    if (this.store.hidden.has(one.label_class)) this.#unhide(one.label_class);
    if ((one.frame ?? 0) !== this.store.frame) this.dispatchEvent(new CustomEvent("frame", { detail: one.frame ?? 0 }));
    if (this.tool.name !== "points") this.setTool("move");
    this.store.select(id);
  }

  delete(id = this.store.selection?.id) {
    if (this.tool.isDrawing) return this.tool.undo();
    if (!id) return false;
    if (!this.store.canEdit(id)) {
      this.tell("is_locked");
      return true;
    }
    this.store.remove([id]);
    this.page.say(say("object_deleted"));
    return true;
  }

  deleteAll() {
    this.cancel();
    this.store.remove(this.store.annotations.map((one) => one.id));
    this.page.say(say("all_deleted"));
  }

  undo() {
    return this.tool.undo?.() || this.store.undo();
  }

  redo() {
    return this.tool.redo?.() || this.store.redo();
  }

  /** Esc: stops what is being drawn or dragged, else deselects; never anything more. */
  cancel() {
    if (this.tool?.cancel?.()) return true;
    if (!this.store.selected) return false;
    this.store.select(null);
    return true;
  }

  /** Enter: closes the polygon being drawn. False where there is nothing to finish. */
  finish() {
    return this.tool.finish?.() ?? false;
  }

  get current() {
    return this.assignment;
  }

  /** Y: accepts the suggestion that is selected and goes on to the next one; without one, only goes there. */
  accept() {
    const { store, prelabels } = this;
    const pending = prelabels.pending(store.annotations);
    if (!pending.length) return false;
    const one = store.selection;
    const at = one ? pending.findIndex((other) => other.id === one.id) : -1;
    if (at >= 0) prelabels.accept(store, [pending[at]]);
    const next = at >= 0 ? (pending[at + 1] ?? pending[at - 1]) : pending[0];
    if (next) this.pickObject(next.id);
    else store.select(null);
    return true;
  }

  /** Before the page is sent: suggestions that are shown count as accepted. */
  settle() {
    this.prelabels.settle(this.store);
  }

  setLocked(locked) {
    this.tool.cancel?.();
    this.store.setLocked(locked);
    byId("tool-lock").setAttribute("aria-pressed", String(locked));
    this.tell(locked ? "locked" : "unlocked");
  }

  setNames(names) {
    this.names = names;
    byId("tool-names").setAttribute("aria-pressed", String(names));
    this.stage.paint("shapes", "overlay");
  }

  nudge(dx, dy) {
    const one = this.store.selection;
    if (!one) return false;
    if (this.store.canEdit(one.id)) this.store.replace([moved(one, dx, dy, this.store.size)], { join: `nudge ${one.id}` });
    else this.tell("is_locked");
    return true;
  }

  step(by) {
    this.store.selectNext(by);
    return true;
  }

  setFrame(frame) {
    this.tool.cancel?.();
    this.store.setFrame(frame);
  }

  // --- Painting ---

  /** What stands on an object: its class, and how sure the model is while it is a suggestion. */
  #textOf(one) {
    const name = this.tags.nameOf(one.label_class);
    return this.prelabels.isPending(one) ? `${percent(one.confidence)} ${name}` : name;
  }

  get #selectedId() {
    return this.preview?.id ?? this.store.selection?.id ?? null;
  }

  #paint() {
    const { stage, store, tags } = this;
    const context = cleared(stage.shapeCanvas, stage.ratio);
    if (!stage.item) return;
    drawAnnotations(context, store.visible, stage.viewport, {
      colourOf: tags.colourOf,
      nameOf: tags.nameOf,
      textOf: (one) => this.#textOf(one),
      isDashed: (one) => this.prelabels.isPending(one),
      names: this.names,
      fill: true,
      except: this.#selectedId,
      locked: store.locked,
    });
  }

  #paintOverlay() {
    const { stage, store, tags } = this;
    const context = cleared(stage.overlayCanvas, stage.ratio);
    if (!stage.item) return;
    const one = this.preview ?? store.selection;
    if (one) {
      drawSelected(context, one, stage.viewport, {
        colour: tags.colourOf(one.label_class),
        name: this.#textOf(one),
        isDashed: this.prelabels.isPending(one),
        names: this.names,
        handles: store.canEdit(one.id),
      });
      if (!this.preview && store.canEdit(one.id)) drawClose(context, closeAt(one, stage.viewport));
    }
    if (stage.tool === this.tool && !stage.panning) this.tool.draw?.(context);
  }

  /** The × beside the selected object, before any tool sees the press. */
  #pressClose(event) {
    const one = this.store.selection;
    if (!one || event.button !== 0 || this.tool.isDrawing || !this.store.canEdit(one.id)) return;
    const box = this.stage.root.getBoundingClientRect();
    const [x, y] = closeAt(one, this.stage.viewport);
    if (Math.hypot(event.clientX - box.left - x, event.clientY - box.top - y) > CLOSE_REACH) return;
    event.stopImmediatePropagation();
    this.delete(one.id);
  }
}
