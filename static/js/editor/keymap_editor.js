// The panel of shortcut keys: shows them, and lets a person give an action another key. Each change is kept at once.

import { ApiError } from "../csrf.js";
import { byId, element, icon, say } from "./dom.js";
import { assigned, caption, FIXED, forgotten, isChanged, losers, refusal, resolved } from "./keymap.js";
import { keyOf } from "./shortcuts.js";

const MODIFIERS = new Set(["shift", "control", "ctrl", "meta", "alt", "altgraph", "capslock", "os", "dead", "process", "unidentified"]);

export class KeymapEditor {
  /** `save(keymap)` keeps it (rejects where it cannot), `onChange(registry)` uses it. */
  constructor(scope, overrides, { save, onChange }) {
    Object.assign(this, { scope, save, onChange });
    this.overrides = overrides && typeof overrides === "object" ? overrides : {};
    this.registry = resolved(this.overrides);
    this.recording = null;
    this.dialog = byId("shortcuts-dialog");
    this.said = byId("keymap-said");
    byId("keymap-edit").addEventListener("click", () => this.#setEditing(!this.isEditing));
    byId("keymap-reset").addEventListener("click", () => this.#use({}));
    this.dialog.addEventListener("keydown", (event) => this.#onKey(event), true);
    this.dialog.addEventListener("cancel", (event) => this.recording && event.preventDefault());
    this.dialog.addEventListener("close", () => this.#setEditing(false));
    for (const row of this.dialog.querySelectorAll("[data-scopes]")) row.hidden = !row.dataset.scopes.split(" ").includes(scope);
    this.show();
  }

  get isEditing() {
    return this.dialog.classList.contains("is-editing");
  }

  get #rows() {
    return this.dialog.querySelectorAll("[data-action]");
  }

  #nameOf(action) {
    return this.dialog.querySelector(`[data-action="${action}"] dt`)?.textContent ?? action;
  }

  /** Rows of the template whose action works on this kind of page, with their keys. */
  show() {
    const own = new Map(this.registry.filter((one) => one.scopes.includes(this.scope)).map((one) => [one.action, one.keys]));
    for (const row of this.#rows) {
      const { action } = row.dataset;
      row.hidden = !own.has(action);
      if (row.hidden) continue;
      row.classList.toggle("is-changed", isChanged(this.registry, action));
      row.querySelector("dd").replaceChildren(...(this.isEditing && !FIXED.has(action) ? this.#controls(action) : this.#caps(own.get(action))));
    }
    byId("keymap-reset").hidden = !this.isEditing || !Object.keys(this.overrides).length;
    byId("keymap-edit").textContent = say(this.isEditing ? "keys_done" : "keys_change");
  }

  #caps(keys) {
    // Keys that do the same on another layout ("+" and "=") are shown once.
    const shown = keys.filter((key) => !(key === "=" && keys.includes("+")) && !key.startsWith("shift+arrow"));
    if (!shown.length) return [element("span", { className: "muted", textContent: say("keys_none") })];
    return shown.map((key) => element("span", { className: "keys" }, ...caption(key).map((part) => element("kbd", { textContent: part }))));
  }

  #controls(action) {
    const name = this.#nameOf(action);
    const keys = this.registry.find((one) => one.action === action).keys;
    const isRecording = this.recording === action;
    const change = element(
      "button",
      {
        type: "button",
        className: `btn btn-s key-button${isRecording ? " is-recording" : ""}`,
        data: { record: action },
        attrs: { "aria-label": say("keys_change_of", { name, keys: keys.map((key) => caption(key).join("+")).join(", ") }) },
      },
      ...(isRecording ? [say("keys_press")] : this.#caps(keys)),
    );
    change.addEventListener("click", () => this.#record(isRecording ? null : action));
    if (!isChanged(this.registry, action) || !(action in this.overrides)) return [change];
    const label = say("keys_reset_of", { name });
    const reset = element("button", { type: "button", className: "btn btn-s btn-quiet btn-icon", title: label, attrs: { "aria-label": label } }, icon("undo"));
    reset.addEventListener("click", () => this.#use(forgotten(this.overrides, action)));
    return [reset, change];
  }

  #setEditing(isEditing) {
    this.dialog.classList.toggle("is-editing", isEditing);
    this.#record(null);
  }

  #record(action) {
    this.recording = action;
    this.#say("");
    this.show();
    if (action) this.dialog.querySelector(`[data-record="${action}"]`)?.focus();
  }

  #onKey(event) {
    if (!this.recording) return;
    const key = keyOf(event);
    if (event.key === "Tab") return this.#record(null);
    event.preventDefault();
    event.stopPropagation();
    if (key === null || MODIFIERS.has(event.key.toLowerCase()) || event.repeat) return;
    if (key === "escape") this.#record(null);
    else this.#take(this.recording, key);
  }

  #take(action, key) {
    const shown = caption(key).join("+");
    const why = refusal(key);
    if (why) {
      this.#say(say(`keys_${why}`, { key: shown }));
      return;
    }
    const others = losers(this.registry, action, key);
    if (!others.length) {
      this.#use(assigned(this.overrides, this.registry, action, key));
      return;
    }
    this.recording = null;
    this.show();
    const take = element("button", { type: "button", className: "btn btn-s btn-primary", id: "keymap-take", textContent: say("keys_take") });
    take.addEventListener("click", () => this.#use(assigned(this.overrides, this.registry, action, key)));
    const keep = element("button", { type: "button", className: "btn btn-s", textContent: say("keys_keep") });
    keep.addEventListener("click", () => this.#record(null));
    this.#say(say("keys_taken", { key: shown, name: others.map((one) => this.#nameOf(one)).join(", ") }), take, keep);
    take.focus();
  }

  #say(text, ...buttons) {
    this.said.replaceChildren(...(text ? [element("span", { textContent: text }), ...buttons] : []));
    this.said.hidden = !text;
  }

  /** Uses other keys at once; where they cannot be kept, says so, and they hold until the page is closed. */
  async #use(overrides) {
    this.overrides = overrides;
    this.registry = resolved(overrides);
    this.#record(null);
    this.onChange(this.registry);
    try {
      await this.save(Object.keys(overrides).length ? overrides : null);
      this.#say(say("keys_saved"));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#say(say("keys_unsaved", { reason: error.message }));
    }
  }
}
