// The hand of somebody without a pointer: a crosshair that the arrow keys move and that can press, shapes placed in the
// middle of what shows, and single handles and points that the arrow keys move.

import { say } from "./dom.js";
import { boxAround, clamp, handlesOf, ringsOf } from "./geometry.js";
import { gripMoved, gripPoint } from "./tools/grips.js";

/** How far an arrow key moves the crosshair, in CSS pixels; ten times as far with Shift. */
const STEP = 2;
/** What part of the shorter side of the view a placed shape takes. */
const PLACED = 1 / 4;
/** The corners that the keys take hold of: together they reach every side. */
const CORNERS = ["se", "nw"];

export class KeyboardHand {
  constructor(desk) {
    this.desk = desk;
    this.held = null;
  }

  /** The handle or point that the arrow keys move, {handle} or {vertex}; null where they move the whole. */
  get grip() {
    const one = this.desk.store.selection;
    if (!this.held || !one || this.held.id !== one.id || !this.#exists(one, this.held)) return null;
    return this.held;
  }

  #exists(one, { handle, vertex }) {
    if (handle) return Boolean(one.box);
    const part = one.polygon?.parts[vertex.part];
    return Boolean(part && (vertex.hole < 0 ? part.outer : part.holes[vertex.hole])?.[vertex.index]);
  }

  /** Takes hold of the next (1) or previous (-1) grip of the selected annotation; after the last one, of none. */
  step(by) {
    const { desk } = this;
    const one = desk.store.selection;
    if (!one) {
      desk.tell("select_region");
      return;
    }
    const grips = one.box ? CORNERS.map((handle) => ({ handle })) : [...verticesOf(one.polygon)].map((vertex) => ({ vertex }));
    const { grip } = this;
    const at = grip ? grips.findIndex((other) => isSame(other, grip)) : by > 0 ? -1 : grips.length;
    const next = grips[at + by] ?? null;
    this.held = next && { id: one.id, ...next };
    desk.stage.paint("overlay");
    desk.tell(...this.#sentence(one, next, at + by, grips.length));
  }

  #sentence(one, grip, index, total) {
    if (!grip) return ["holds_whole", {}];
    const [x, y] = gripPoint(one, grip).map(Math.round);
    if (grip.handle) return [grip.handle === "se" ? "holds_lower_right" : "holds_upper_left", { x, y }];
    return ["holds_point", { n: index + 1, total, x, y }];
  }

  /** Esc lets go. */
  release() {
    const was = this.grip !== null;
    this.held = null;
    this.desk.stage.paint("overlay");
    return was;
  }

  /** Moves the grip, or the crosshair while nothing is selected and a tool that draws is in hand. False for neither. */
  nudge(dx, dy) {
    const { desk, grip } = this;
    const { store, tool } = desk;
    if (tool.isDrawing || (!store.selectedIds.size && desk.isDrawingTool)) {
      this.#moveCrosshair(dx, dy);
      return true;
    }
    if (!grip) return false;
    const one = store.selection;
    if (!store.canEdit(one.id)) desk.tell("is_locked");
    else {
      const [x, y] = grip.handle ? handlesOf(one.box)[grip.handle] : gripPoint(one, grip);
      const moved = gripMoved(one, grip, [x + dx, y + dy], store.size);
      const after = moved && desk.sound(moved);
      if (after) store.replace([after], { join: `grip ${one.id} ${JSON.stringify(grip)}` });
    }
    return true;
  }

  get #crosshair() {
    const { pointer, viewport } = this.desk.stage;
    return pointer ?? [viewport.screen.width / 2, viewport.screen.height / 2];
  }

  #moveCrosshair(dx, dy) {
    const { stage, tool } = this.desk;
    const [x, y] = this.#crosshair;
    const { width, height } = stage.viewport.screen;
    stage.pointer = [clamp(x + dx * STEP, 0, width), clamp(y + dy * STEP, 0, height)];
    tool.move?.(stage.viewport.toImage(stage.pointer), hand());
    stage.paint("overlay");
    const [px, py] = stage.viewport.toImage(stage.pointer).map(Math.round);
    this.desk.page.say(say("crosshair_at", { x: px, y: py }));
  }

  /** Presses at the crosshair; with a point of a polygon in hand, sets a further one after it. */
  click(event = {}) {
    const { desk, grip } = this;
    if (grip?.vertex) {
      const vertex = desk.commands.insertVertex(desk.store.selection, grip.vertex);
      this.held = { ...grip, vertex };
      const [x, y] = gripPoint(desk.store.selection, { vertex }).map(Math.round);
      desk.page.say(say("point_set", { x, y }));
      return;
    }
    const { stage, tool } = desk;
    stage.pointer = this.#crosshair;
    const point = stage.viewport.toImage(stage.pointer);
    const press = hand(event);
    tool.move?.(point, press);
    tool.down?.(point, press);
    tool.up?.(point, press);
    desk.page.say(say("point_set", { x: Math.round(point[0]), y: Math.round(point[1]) }));
  }

  /** A box, or a polygon of four points, in the middle of what shows; it is selected, so that the arrow keys move it. */
  place() {
    const { desk } = this;
    if (desk.tool.isDrawing) {
      desk.tell("finish_drawing");
      return;
    }
    if (!desk.classReady()) return;
    const { viewport } = desk.stage;
    const { size } = desk.store;
    const side = Math.max((Math.min(viewport.screen.width, viewport.screen.height) / viewport.scale) * PLACED, 2);
    const middle = viewport.toImage([viewport.screen.width / 2, viewport.screen.height / 2]);
    const box = boxAround(middle, { width: side, height: side }, size);
    const { nw, ne, se, sw } = handlesOf(box);
    desk.add(desk.kind === "box" ? { box } : { polygon: { parts: [{ outer: [nw, ne, se, sw], holes: [] }] } });
  }
}

/** What a tool is told about a press that no pointer made. */
const hand = ({ shiftKey = false } = {}) => ({ pointerType: "mouse", shiftKey, ctrlKey: false, metaKey: false, timeStamp: performance.now() });

function* verticesOf(polygon) {
  for (const [ring, part, hole] of ringsOf(polygon)) for (const index of ring.keys()) yield { part, hole, index };
}

const isSame = (a, b) =>
  a.handle === b.handle && a.vertex?.part === b.vertex?.part && a.vertex?.hole === b.vertex?.hole && a.vertex?.index === b.vertex?.index;
