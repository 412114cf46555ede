// <review-view>: an image with its labels to look at closely. Wheel, buttons and + - zoom; dragging and, when zoomed
// in, nothing else moves it; F fits it again; ← and → go to the images beside it. A line of the list of objects marks
// its shape.

const LEAST = 1;
const MOST = 32;
const STEP = 1.3;

class ReviewView extends HTMLElement {
  connectedCallback() {
    this.stage = this.querySelector("[data-stage]");
    this.sheet = this.querySelector("[data-sheet]");
    this.value = this.querySelector("[data-zoom-value]");
    this.pointers = new Map();
    this.addEventListener("click", (event) => this.clicked(event));
    this.stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.stage.addEventListener("pointerdown", (event) => this.pressed(event));
    this.stage.addEventListener("pointermove", (event) => this.moved(event));
    for (const name of ["pointerup", "pointercancel"]) this.stage.addEventListener(name, (event) => this.pointers.delete(event.pointerId));
    this.stage.addEventListener("dragstart", (event) => event.preventDefault());
    this.onKey = (event) => this.key(event);
    document.addEventListener("keydown", this.onKey);
    this.sizes = new ResizeObserver(() => this.place());
    this.sizes.observe(this.stage);
    this.fit();
  }

  disconnectedCallback() {
    document.removeEventListener("keydown", this.onKey);
    this.sizes.disconnect();
  }

  fit() {
    Object.assign(this, { scale: LEAST, x: 0, y: 0 });
    this.place();
  }

  /** Keeps the point (x, y) of the stage where it is while the scale changes by `factor`. */
  zoom(factor, x = this.stage.clientWidth / 2, y = this.stage.clientHeight / 2) {
    const scale = Math.min(MOST, Math.max(LEAST, this.scale * factor));
    const by = scale / this.scale;
    this.x = x - (x - this.x) * by;
    this.y = y - (y - this.y) * by;
    this.scale = scale;
    this.place();
  }

  place() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    this.x = Math.min(0, Math.max(width * (1 - this.scale), this.x));
    this.y = Math.min(0, Math.max(height * (1 - this.scale), this.y));
    this.sheet.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
    this.value.textContent = `${Math.round(this.scale * 100)} %`;
  }

  at(event) {
    const box = this.stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  wheel(event) {
    event.preventDefault();
    this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), ...this.at(event));
  }

  pressed(event) {
    if (event.button) return;
    this.stage.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, this.at(event));
  }

  moved(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const now = this.at(event);
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    this.pointers.set(event.pointerId, now);
    if (other) {
      const span = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]);
      this.zoom(span(now) / Math.max(1, span(before)), ...other);
      return;
    }
    this.x += now[0] - before[0];
    this.y += now[1] - before[1];
    this.place();
  }

  clicked(event) {
    const button = event.target.closest("button");
    if (button?.dataset.zoom === "in") this.zoom(STEP);
    else if (button?.dataset.zoom === "out") this.zoom(1 / STEP);
    else if (button?.dataset.zoom === "fit") this.fit();
    else if (button && "hide" in button.dataset) {
      const drawing = this.querySelector(".drawing");
      const hidden = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(hidden));
      if (drawing) drawing.style.visibility = hidden ? "hidden" : "";
    }
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target.closest?.("input, select, textarea, dialog, [contenteditable], .toolbar, [role='toolbar']")) return;
    const go = { ArrowLeft: "previous", ArrowRight: "next" }[event.key];
    if (go) {
      const link = this.querySelector(`[data-go="${go}"][href]`);
      if (!link) return;
      event.preventDefault();
      link.click();
    } else if (event.key === "+" || event.key === "=") this.zoom(STEP);
    else if (event.key === "-") this.zoom(1 / STEP);
    else if (event.key.toLowerCase() === "f") this.fit();
  }
}

customElements.define("review-view", ReviewView);

// A line of the correction's list marks its shape while it is pointed at or has the focus.
const mark = (event, on) => {
  const line = event.target.closest?.("[data-object]");
  if (line) document.querySelector(`[data-shape="${line.dataset.object}"]`)?.classList.toggle("is-marked", on);
};
for (const name of ["pointerover", "focusin"]) document.addEventListener(name, (event) => mark(event, true));
for (const name of ["pointerout", "focusout"]) document.addEventListener(name, (event) => mark(event, false));
