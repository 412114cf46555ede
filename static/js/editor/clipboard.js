// Copied annotations, and those of the image before, kept in the tab's session: they outlive the page, not the tab.

import { boundsOf, clamp, MIN_SIDE, round } from "./geometry.js";
import { intersected } from "./polygon_ops.js";

const COPIED = "tessera.copied";
const BEFORE = "tessera.before";

/** `storage` is the tab's sessionStorage; what it refuses (full, private) is kept in memory until the page is left. */
export class Clipboard {
  constructor(kind, projectId, storage) {
    this.kind = kind;
    this.storage = storage;
    this.keys = { [COPIED]: `${COPIED}.${kind}`, [BEFORE]: `${BEFORE}.${projectId}` };
    this.memory = new Map();
  }

  #write(name, value) {
    this.memory.set(name, value);
    try {
      this.storage.setItem(this.keys[name], JSON.stringify(value));
    } catch (error) {
      console.info("Not kept beyond this page:", error.name);
    }
  }

  #read(name) {
    if (this.memory.has(name)) return this.memory.get(name);
    try {
      const found = JSON.parse(this.storage.getItem(this.keys[name]));
      return Array.isArray(found?.shapes) ? found : null;
    } catch (error) {
      console.info("Nothing readable in this tab's session:", error.name);
      return null;
    }
  }

  copy(annotations, item) {
    this.#write(COPIED, { item, shapes: annotations.map(shapeOf) });
  }

  /** {item, shapes} of what was copied last, or null. */
  get copied() {
    return this.#read(COPIED);
  }

  /** Remembers what an image held when it was left. */
  leave(annotations, item) {
    if (annotations.length) this.#write(BEFORE, { item, shapes: annotations.map(shapeOf) });
  }

  /** {item, shapes} of the image before, or null. */
  get before() {
    return this.#read(BEFORE);
  }
}

const shapeOf = ({ label_class, box, polygon }) => (box ? { label_class, box } : { label_class, polygon });

/** A shape as far as it lies inside an image of this size, moved by (dx, dy) first; null where nothing of it does. */
export function placed({ label_class, box, polygon }, size, [dx, dy] = [0, 0]) {
  if (box) {
    const x = clamp(box.x + dx, 0, size.width);
    const y = clamp(box.y + dy, 0, size.height);
    const width = clamp(box.x + dx + box.width, 0, size.width) - x;
    const height = clamp(box.y + dy + box.height, 0, size.height) - y;
    if (width < MIN_SIDE || height < MIN_SIDE) return null;
    return { label_class, box: { x: round(x), y: round(y), width: round(width), height: round(height) } };
  }
  const shift = (ring) => ring.map(([x, y]) => [round(x + dx), round(y + dy)]);
  const moved = { parts: polygon.parts.map(({ outer, holes }) => ({ outer: shift(outer), holes: holes.map(shift) })) };
  const [left, top, right, bottom] = boundsOf({ polygon: moved });
  if (left >= 0 && top >= 0 && right <= size.width && bottom <= size.height) return { label_class, polygon: moved };
  const image = { parts: [{ outer: [[0, 0], [size.width, 0], [size.width, size.height], [0, size.height]], holes: [] }] };
  const inside = intersected(moved, image);
  return inside && { label_class, polygon: inside };
}
