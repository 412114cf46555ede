// Pins of comments over the stage: buttons that stay where their points of the image are while it is zoomed and moved.

import { element, say } from "./dom.js";

export class Pins {
  /** Calls onPick(comment id) for a pin, onPlace(point) for the point chosen after `start`. */
  constructor(stage, { onPick, onPlace }) {
    Object.assign(this, { stage, onPick, onPlace });
    this.layer = element("div", { className: "pins" });
    stage.root.append(this.layer);
    this.pins = [];
    this.draft = null;
    this.before = null;
    for (const type of ["view", "loaded"]) stage.addEventListener(type, () => this.#lay());
  }

  get isPlacing() {
    return this.before !== null;
  }

  /** The next press on the image chooses the point; the tool that was in hand comes back after it. */
  start() {
    if (this.isPlacing || !this.stage.item) return;
    this.stage.tool?.cancel?.();
    this.before = { tool: this.stage.tool, panning: this.stage.panning };
    this.stage.tool = new PinTool(this);
    this.stage.setPanning(false);
  }

  stop() {
    if (!this.isPlacing) return;
    const { tool, panning } = this.before;
    this.before = null;
    if (this.stage.tool instanceof PinTool) this.stage.tool = tool;
    this.stage.setPanning(panning);
  }

  /** The point of the comment that is being written, or null. */
  setDraft(point) {
    this.draft = point;
    this.#draw();
  }

  /** Pins of {id, number, point, text, frame}. */
  show(pins) {
    this.pins = pins;
    this.#draw();
  }

  #draw() {
    const buttons = this.pins.map(({ id, number, text }) => {
      const label = say("pin_n", { n: number, text });
      const button = element("button", { type: "button", className: "pin", title: text, textContent: String(number), attrs: { "aria-label": label } });
      button.addEventListener("pointerdown", (event) => event.stopPropagation());
      button.addEventListener("click", () => this.onPick(id));
      return button;
    });
    if (this.draft) buttons.push(element("span", { className: "pin is-draft", textContent: "+" }));
    this.layer.replaceChildren(...buttons);
    this.#lay();
  }

  #lay() {
    const points = [...this.pins.map((one) => one.point), ...(this.draft ? [this.draft] : [])];
    for (const [i, node] of [...this.layer.children].entries()) {
      const [x, y] = this.stage.viewport.toScreen(points[i]);
      node.style.translate = `${x}px ${y}px`;
      node.hidden = !this.stage.item || (this.pins[i]?.frame ?? this.stage.frame) !== this.stage.frame;
    }
  }
}

class PinTool {
  name = "pin";
  cursor = "crosshair";

  constructor(pins) {
    this.pins = pins;
  }

  /** When the press ends: at its beginning the browser would take the focus away again from where it goes now. */
  up([x, y]) {
    const { width, height } = this.pins.stage.item;
    if (x < 0 || y < 0 || x > width || y > height) return;
    this.pins.onPlace([Math.round(x * 10) / 10, Math.round(y * 10) / 10]);
  }

  /** Esc: no point after all. */
  cancel() {
    this.pins.onPlace(null);
    return true;
  }
}
