// The page of a box or polygon project: one image, tools, objects. Tools see this class as their desk; what can be done
// with selected objects is in commands.js.

import { Commands } from "./commands.js";
import { byId, newId, say } from "./dom.js";
import { Objects } from "./objects.js";
import { Painter } from "./painter.js";
import { Patterns } from "./patterns.js";
import { cleaned } from "./polygon_ops.js";
import { percent, Prelabels } from "./prelabels.js";
import { RegionDialog } from "./region_dialog.js";
import { Store } from "./store.js";
import { BoxTool } from "./tools/box.js";
import { CutTool } from "./tools/cut.js";
import { ExtremeTool } from "./tools/extreme.js";
import { PointsTool } from "./tools/points.js";
import { HoleTool, PartTool, PolygonTool } from "./tools/polygon.js";
import { SelectTool } from "./tools/select.js";
import { TemplateTool } from "./tools/template.js";
import { Visibility } from "./visibility.js";

const TOOLS = {
  box: [SelectTool, BoxTool, ExtremeTool, TemplateTool],
  polygon: [SelectTool, PolygonTool, PointsTool, CutTool, HoleTool, PartTool],
};
/** With these in hand a class is chosen for the next shape; with the others it becomes that of the selected ones. */
const MAKING = new Set(["box", "extreme", "template", "polygon"]);
/** These keep the arrow keys for the crosshair while nothing is selected. */
const DRAWING = new Set([...MAKING, "cut", "hole", "part"]);

export class DrawingView extends EventTarget {
  /** `kind` is "box" or "polygon". Emits "change" with {assignment, operation, source} (store.js) when what would be submitted changes. */
  constructor({ kind, stage, tags, page, projectId = "" }) {
    super();
    this.kind = kind;
    this.stage = stage;
    this.tags = tags;
    this.page = page;
    this.preview = null;
    this.names = true;
    this.outline = false;
    this.snapping = false;
    this.assignment = null;
    this.store = new Store();
    this.prelabels = new Prelabels(projectId, page, { onThreshold: () => this.store.look(() => {}) });
    this.store.view.isVeiled = (one) => this.prelabels.isVeiled(one);
    this.classId = tags.classes.length === 1 ? tags.classes[0].id : null;
    this.tools = new Map(TOOLS[kind].map((Tool) => new Tool(this)).map((tool) => [tool.name, tool]));
    this.tool = this.tools.get(kind);
    this.patterns = new Patterns(tags);
    this.dialog = new RegionDialog(this);
    this.commands = new Commands(this, projectId);
    this.objects = new Objects(tags, this);
    // With the focus on an application, a screen reader passes the arrow keys on.
    stage.root.setAttribute("role", "application");
    stage.root.tabIndex = 0;
    stage.root.hidden = false;
    this.painter = new Painter(this);
    this.setPatterns(this.patterns.isOn, { quietly: true });
    this.setTool(kind);
  }

  get isOpen() {
    return this.assignment !== null && !byId("work-area").inert && !byId("tasks-panel").hidden;
  }

  /** Opens the page's only item with these annotations; resolves when its image shows. */
  open(assignments, answers) {
    this.#leave();
    [this.assignment] = assignments;
    const { item, id } = this.assignment;
    const { view } = this.store;
    this.prelabels.open(assignments, { single: false });
    this.store = new Store({ size: { width: item.width, height: item.height }, annotations: this.prelabels.adopt(answers.get(id)) });
    this.store.view = new Visibility(view);
    this.store.addEventListener("change", ({ detail }) => {
      if (detail.source === "edit") for (const tool of this.tools.values()) tool.sketch?.edited();
      this.refresh();
      this.dispatchEvent(new CustomEvent("change", { detail: { assignment: id, ...detail } }));
    });
    for (const type of ["select", "view"]) this.store.addEventListener(type, () => this.refresh());
    this.refresh();
    return this.stage.open(item);
  }

  /** Addresses of the pictures of a page that is not open yet. */
  picturesOf(assignments) {
    return assignments.map((one) => this.stage.firstUrl(one.item));
  }

  close() {
    const { view } = this.store;
    this.#leave();
    this.assignment = null;
    this.prelabels.open([], {});
    this.store = new Store();
    this.store.view = new Visibility(view);
    this.stage.close();
    this.refresh();
  }

  /** Nothing of one image reaches the next: no half-drawn shape, no undo. */
  #leave() {
    if (this.assignment) this.commands.copies.leave();
    this.cancel();
    for (const tool of this.tools.values()) tool.sketch?.clear();
    this.show(null);
  }

  /** Assignment id → annotations, as they would be submitted. */
  answers() {
    return new Map(this.assignment ? [[this.assignment.id, this.prelabels.sent(this.store.annotations)]] : []);
  }

  /** Why the page cannot be submitted, as the key of a sentence, or null. */
  problem() {
    if (this.tool.isDrawing) return "finish_drawing";
    return this.store.annotations.some((one) => !this.prelabels.isVeiled(one)) ? null : "nothing_drawn";
  }

  get hasEdits() {
    return this.store.canUndo;
  }

  // --- What tools ask for ---

  get colour() {
    return this.classId === null ? "#ffffff" : this.tags.colourOf(this.classId);
  }

  get isMaking() {
    return MAKING.has(this.tool.name);
  }

  get isDrawingTool() {
    return DRAWING.has(this.tool.name);
  }

  /** True when a class is chosen; otherwise asks for one. */
  classReady() {
    if (this.classId !== null) return true;
    this.tell("choose_class");
    this.tags.nudge();
    return false;
  }

  add(shape) {
    const [one] = this.addAll([{ label_class: this.classId, ...shape }]);
    this.page.say(say("object_added", { name: this.tags.nameOf(one.label_class) }));
  }

  /** Adds shapes with classes as new annotations of this frame, selects and returns them. None of them stays hidden. */
  addAll(shapes) {
    const fresh = shapes.map((shape) => ({ ...shape, id: newId(), frame: this.store.frame }));
    this.reveal(fresh);
    this.store.add(fresh);
    return fresh;
  }

  /** The annotation as it may be stored (polygon_ops.js); null where nothing with an area is left of it. */
  sound = (one) => {
    if (one.box) return one;
    const polygon = cleaned(one.polygon);
    if (polygon && polygon !== one.polygon && polygon.parts.length > one.polygon.parts.length) this.tell("outline_crossed");
    return polygon && { ...one, polygon };
  };

  /** Shows annotations as they will be when a drag ends; null shows things as they are. */
  show(preview) {
    this.preview = preview;
    this.stage.paint("shapes", "overlay");
  }

  tell(key, values = {}) {
    this.page.show(say(key, values));
  }

  /** Brings everything around the canvas up to date. */
  refresh() {
    const counts = new Map();
    for (const one of this.store.annotations) if (!this.prelabels.isVeiled(one)) counts.set(one.label_class, (counts.get(one.label_class) ?? 0) + 1);
    this.tags.show({ active: new Set(this.classId === null ? [] : [this.classId]), counts });
    this.objects.show(this.store);
    this.prelabels.show(this.store);
    byId("tool-undo").disabled = !this.store.canUndo && !this.tool.isDrawing;
    byId("tool-redo").disabled = !this.tool.canRedo && (this.tool.isDrawing || !this.store.canRedo);
    byId("tool-delete-all").disabled = !this.store.annotations.length;
    byId("tool-lock").setAttribute("aria-pressed", String(this.store.locked));
    this.commands.showSwitches();
    this.page.refresh();
    this.stage.paint("shapes", "overlay");
  }

  // --- Actions ---

  /** Takes another tool in hand. A drawing that was begun stays: only Esc cancels. */
  setTool(name) {
    if (!this.tools.has(name)) return false;
    if (this.tool.isDrawing && this.tool.name !== name) {
      this.tell("finish_drawing");
      return true;
    }
    if (!this.tool.isDrawing) this.tool.cancel();
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

  /** A class was chosen: for the next shape, or for the selected ones where the tool in hand makes none. */
  pick(id) {
    this.page.hideHint();
    this.classId = id;
    if (!this.isMaking && !this.tool.isDrawing && this.store.selectedIds.size) this.commands.setClass(id);
    this.refresh();
  }

  hide(id, hidden) {
    this.store.setHidden(id, hidden);
  }

  hideClass(id, hidden) {
    this.tags.showHidden(id, hidden);
    this.store.setHidden(id, hidden);
  }

  /** Takes away what hides these annotations. */
  reveal(annotations) {
    const hidden = annotations.filter((one) => this.store.view.isHidden(one));
    if (!hidden.length) return;
    for (const { label_class } of hidden) if (this.store.view.hiddenClasses.has(label_class)) this.tags.showHidden(label_class, false);
    this.store.look((view) => hidden.forEach((one) => view.reveal(one)));
  }

  /** Picked from the list: shown, whatever hid it, and ready to be changed. With `several` it joins the selection. */
  pickObject(id, { several = false } = {}) {
    const one = this.store.get(id);
    this.reveal([one]);
    if ((one.frame ?? 0) !== this.store.frame) this.dispatchEvent(new CustomEvent("frame", { detail: one.frame ?? 0 }));
    if (this.isMaking) this.setTool("move");
    if (several) this.store.toggle(id);
    else this.store.select(id);
  }

  delete(id = null) {
    if (id === null) return this.commands.delete();
    if (!this.store.canEdit(id)) this.tell("is_locked");
    else {
      this.store.remove([id]);
      this.page.say(say("object_deleted"));
    }
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

  /** An object that was taken back before a drawing began does not come back into the middle of it. */
  redo() {
    return this.tool.redo?.() || (!this.tool.isDrawing && this.store.redo());
  }

  /** Esc: stops what is being drawn or dragged, else lets go of a single point, else deselects; never anything more. */
  cancel() {
    if (this.tool.cancel() || this.commands.hand.release()) return true;
    if (!this.store.selectedIds.size) return false;
    this.store.select(null);
    return true;
  }

  /** Enter: finishes the shape being drawn. False where there is nothing to finish. */
  finish() {
    return this.tool.finish?.() ?? false;
  }

  /** The image that comments are about. */
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

  /** What stands on an object: its class, after how sure the model is while it is a suggestion. */
  textOf = (one) => {
    const name = this.tags.nameOf(one.label_class);
    return this.prelabels.isPending(one) ? `${percent(one.confidence)} ${name}` : name;
  };

  setLocked(locked) {
    this.store.setLocked(locked);
    this.tell(locked ? "locked" : "unlocked");
  }

  setNames(names) {
    this.names = names;
    byId("tool-names").setAttribute("aria-pressed", String(names));
    this.stage.paint("shapes", "overlay");
  }

  /** Shapes as lines only, or with their inside tinted. */
  setOutline(outline) {
    this.outline = outline;
    this.stage.paint("shapes", "overlay");
  }

  /** Line patterns beside colours, on the image and in both lists. */
  setPatterns(on, { quietly = false } = {}) {
    this.patterns.set(on);
    byId("label-page").dataset.patterns = on ? "on" : "off";
    for (const [id, { pick }] of this.tags.rows) pick.querySelector(".dot").dataset.pattern = this.patterns.numberOf(id);
    if (quietly) return;
    this.tell(on ? "patterns_on" : "patterns_off");
    this.refresh();
  }

  nudge(dx, dy) {
    return this.commands.nudge(dx, dy);
  }

  step(by) {
    this.store.selectNext(by);
    const one = this.store.selection;
    if (one) this.page.say(this.objects.sentence(one));
    return true;
  }

  setFrame(frame) {
    if (!this.tool.isDrawing) this.tool.cancel();
    this.store.setFrame(frame);
  }
}
