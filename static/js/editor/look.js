// The panel "View": how image and shapes look. Light belongs to this sitting; what is a matter of taste stays with the browser.

import { byId, say, storage } from "./dom.js";
import { PLAIN, applyLight } from "./light.js";
import { Minimap } from "./minimap.js";
import { crosshair } from "./render.js";

const KEY = "tessera.look";
const TASTE = { opacity: 100, outline: false, crosshair: true, minimap: true };
const SLIDERS = ["brightness", "contrast", "gamma", "opacity"];
const SWITCHES = ["invert", "outline", "crosshair", "minimap"];

export class Look {
  /** `onOutline(on)` is called when shapes are to be drawn without their inside, or with it again. */
  constructor(stage, page, { onOutline }) {
    this.stage = stage;
    this.page = page;
    this.onOutline = onOutline;
    this.panel = byId("look-panel");
    this.button = byId("tool-look");
    this.minimap = new Minimap(stage, byId("minimap"));
    const saved = storage.get(KEY) ?? {};
    this.values = { ...PLAIN, ...TASTE };
    for (const name of Object.keys(TASTE)) if (typeof saved[name] === typeof TASTE[name]) this.values[name] = saved[name];
    for (const name of SLIDERS) byId(name)?.addEventListener("input", (event) => this.set(name, Number(event.target.value)));
    for (const name of SWITCHES) byId(`look-${name}`)?.addEventListener("change", (event) => this.set(name, event.target.checked));
    byId("light-reset").addEventListener("click", () => this.resetLight());
    this.panel.addEventListener("toggle", (event) => this.#toggled(event.newState === "open"));
    this.#show();
  }

  set(name, value) {
    this.values[name] = value;
    const taste = Object.fromEntries(Object.keys(TASTE).map((one) => [one, this.values[one]]));
    if (name in TASTE) storage.set(KEY, taste);
    this.#show();
  }

  resetLight() {
    Object.assign(this.values, PLAIN);
    this.#show();
  }

  /** Switches by key, and says what is on now. */
  flip(name) {
    this.set(name, !this.values[name]);
    this.page.show(say(this.values[name] ? `${name}_on` : `${name}_off`));
  }

  /** Steps of a quarter, round the end. */
  stepOpacity() {
    this.set("opacity", this.values.opacity <= 25 ? 100 : Math.ceil(this.values.opacity / 25 - 1) * 25);
    this.page.show(say("opacity_value", { n: this.values.opacity }));
  }

  #show() {
    const { values } = this;
    for (const name of SLIDERS) {
      const slider = byId(name);
      if (!slider) continue;
      slider.value = String(values[name]);
      byId(`${name}-value`).textContent = name === "gamma" ? values.gamma.toFixed(2) : `${values[name]} %`;
    }
    for (const name of SWITCHES) if (byId(`look-${name}`)) byId(`look-${name}`).checked = values[name];
    const { style } = byId("label-page");
    style.setProperty("--image-filter", applyLight(byId("light-filter"), values));
    style.setProperty("--shape-opacity", String(values.opacity / 100));
    crosshair.shown = values.crosshair;
    this.minimap.setEnabled(values.minimap);
    this.onOutline(values.outline);
    this.stage.paint("shapes", "overlay");
  }

  // --- The panel ---

  get isOpen() {
    return this.panel.matches(":popover-open");
  }

  /** Opens or closes the panel; with the name of a slider the focus goes there. */
  toggle(slider = null) {
    if (this.isOpen && !slider) this.panel.hidePopover();
    else if (!this.isOpen) this.panel.showPopover();
    if (slider) byId(slider).focus();
  }

  /** True when the panel was open. */
  close() {
    const was = this.isOpen;
    if (was) this.panel.hidePopover();
    return was;
  }

  #toggled(open) {
    this.button.setAttribute("aria-expanded", String(open));
    if (!open) return;
    const box = this.button.getBoundingClientRect();
    const left = Math.min(box.left, innerWidth - this.panel.offsetWidth - 8);
    this.panel.style.left = `${Math.max(left, 8)}px`;
    this.panel.style.top = `${box.bottom + 6}px`;
  }
}
