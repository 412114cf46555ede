// Suggestions of models on the page. While nobody has touched one it lies among the annotations of the open store with
// `suggested: true` and its confidence, so every tool corrects it as it would anything else, and undo, drafts and the
// list of objects need no second kind of thing. It stops being a suggestion when it is accepted, changed or deleted.

import { byId, say, storage } from "./dom.js";

/** The site's prelabels of an item as entries of the store; a multi-class image has one, the most likely. */
export function suggestionsOf(prelabels = [], { single = false } = {}) {
  const best = [...prelabels].sort((a, b) => b.confidence - a.confidence);
  return (single ? best.slice(0, 1) : best).map(({ produced_by: _maker, ...one }) => ({ ...one, suggested: true }));
}

/** Whether two annotations say the same: class, frame and shape. */
export function isSame(one, other) {
  if (one === other) return true;
  if (one.label_class !== other.label_class || (one.frame ?? 0) !== (other.frame ?? 0)) return false;
  if (one.box && other.box) return ["x", "y", "width", "height"].every((name) => one.box[name] === other.box[name]);
  if (one.polygon && other.polygon) return one.polygon === other.polygon || JSON.stringify(one.polygon) === JSON.stringify(other.polygon);
  return !one.box && !one.polygon && !other.box && !other.polygon;
}

/** The annotation without the marks of a suggestion. */
export function plain({ suggested: _suggested, confidence: _confidence, ...one }) {
  return one;
}

export const percent = (confidence) => `${Math.round(confidence * 100)} %`;

/** Which of a list are untouched suggestions, and which of those are sure enough to be shown. */
export class Suggestions {
  constructor() {
    this.originals = new Map();
    this.threshold = 0;
  }

  /** Begins with these entries: what is in them and marked is what the site suggested. */
  begin(originals) {
    this.originals = new Map(originals.map((one) => [one.id, one]));
  }

  /** The list with untouched suggestions as the very objects that were suggested, so that comparing costs nothing. */
  adopt(list) {
    return list.map((one) => (this.isPending(one) ? this.originals.get(one.id) : one));
  }

  isPending(one) {
    if (!one.suggested) return false;
    const original = this.originals.get(one.id);
    return original !== undefined && isSame(one, original);
  }

  /** Too unsure to be shown at the present threshold. */
  isVeiled(one) {
    return this.isPending(one) && one.confidence < this.threshold;
  }

  pending(list) {
    return list.filter((one) => this.isPending(one) && one.confidence >= this.threshold);
  }

  veiled(list) {
    return list.filter((one) => this.isVeiled(one));
  }

  /** The entries as they are kept and sent: only what nobody has touched is still marked. */
  sent(list) {
    return list.map((one) => (one.suggested && !this.isPending(one) ? plain(one) : one));
  }
}

/** The bar above the image, and what its buttons and keys do to the store of a view. */
export class Prelabels extends Suggestions {
  /** `onThreshold()` is called when others are shown than before. The threshold is kept in this browser by project. */
  constructor(projectId, page, { onThreshold }) {
    super();
    this.page = page;
    this.key = `tessera.suggestions.${projectId}`;
    this.threshold = Math.min(Math.max(Number(storage.get(this.key)) || 0, 0), 1);
    this.slider = byId("suggestions-threshold");
    this.slider.value = String(Math.round(this.threshold * 100));
    this.slider.addEventListener("input", () => {
      this.threshold = Number(this.slider.value) / 100;
      storage.set(this.key, this.threshold);
      onThreshold();
    });
  }

  /** Opens assignments with these answers; an answer that a draft brought back refers to the same suggestions. */
  open(assignments, { single }) {
    const found = assignments.filter((one) => !one.response).flatMap((one) => suggestionsOf(one.prelabels, { single }));
    this.begin(found);
    this.any = found.length > 0;
  }

  /** Brings the bar up to date. */
  show(store) {
    const shown = this.pending(store.annotations);
    const veiled = this.veiled(store.annotations);
    byId("suggestions").hidden = !this.any;
    byId("suggestions-count").textContent = veiled.length
      ? say("suggestions_some", { n: shown.length, hidden: veiled.length })
      : say("suggestions_n", { n: shown.length });
    byId("suggestions-value").textContent = percent(this.threshold);
    this.slider.setAttribute("aria-valuetext", percent(this.threshold));
    byId("accept-all").disabled = !shown.length;
    byId("dismiss-all").disabled = !shown.length;
  }

  accept(store, list) {
    if (!list.length) return false;
    store.replace(list.map(plain));
    this.page.say(say("accepted", { n: list.length }));
    return true;
  }

  acceptAll(store) {
    return this.accept(store, this.pending(store.annotations));
  }

  dismiss(store, list) {
    if (!list.length) return false;
    store.remove(list.map((one) => one.id));
    this.page.say(say("dismissed", { n: list.length }));
    return true;
  }

  dismissAll(store) {
    return this.dismiss(store, this.pending(store.annotations));
  }

  /** Before a page is sent: what is shown is accepted, what is too unsure to be shown is not. */
  settle(store) {
    const veiled = this.veiled(store.annotations);
    const shown = this.pending(store.annotations);
    if (shown.length) store.replace(shown.map(plain));
    if (veiled.length) store.remove(veiled.map((one) => one.id));
  }
}
