// What the stage shows under the annotations: pictures that know how to load themselves, finer where it is looked at
// closer, and how to draw a region of themselves in coordinates of the view.

import { FINEST, renditionUrl, stepFor } from "./renditions.js";

/** Canvas work of a picture, in the measure that layers use: always worth keeping. */
export const EXPENSIVE = 1e6;

/** Draws `source`, the whole image at any resolution, at its place; crisp where its pixels get large. */
export function drawWhole(context, source, viewport) {
  const { x, y, scale, size } = viewport;
  const pixel = (scale * size.width * Math.hypot(...firstColumn(context))) / (source.naturalWidth ?? source.width);
  context.imageSmoothingEnabled = pixel < 4;
  context.imageSmoothingQuality = "high";
  context.drawImage(source, x, y, size.width * scale, size.height * scale);
}

const firstColumn = (context) => {
  const { a, b } = context.getTransform();
  return [a, b];
};

/** A photo, or a frame of a DICOM file in colour: the server's renditions, a larger one when somebody zooms in. */
export class Photo {
  /** `changed()` is called when a finer rendition has come. */
  constructor(item, { changed }) {
    this.item = item;
    this.changed = changed;
    this.image = null;
    this.side = 0;
    this.frame = 0;
    this.window = null;
    this.asked = 0;
  }

  /** Loads a frame in a size for so many pixels on its longer side. False where another call has come since. */
  async load({ frame, pixels }) {
    this.frame = frame;
    return this.#fetch(Math.max(this.side, stepFor(pixels)));
  }

  async #fetch(side) {
    const number = (this.asked += 1);
    const image = new Image();
    image.decoding = "async";
    image.src = renditionUrl(this.item, { side, frame: this.frame, window: this.window });
    try {
      await image.decode();
    } catch (error) {
      if (number !== this.asked) return false;
      throw error;
    }
    if (number !== this.asked) return false;
    this.image = image;
    this.side = side;
    return true;
  }

  /** Zoomed in past what the rendition shows: loads a finer one, and the coarse one stays until it is there. */
  async refine({ pixels }) {
    const wanted = stepFor(pixels, FINEST);
    if (!this.image || wanted <= this.side || this.side >= Math.max(this.item.width, this.item.height)) return;
    if (await this.#fetch(wanted)) this.changed();
  }

  draw(context, viewport) {
    if (!this.image) return 0;
    drawWhole(context, this.image, viewport);
    return EXPENSIVE;
  }

  close() {
    this.asked += 1;
    this.image = null;
  }
}

/** The picture for an item. */
export function pictureOf(item, options) {
  return new Photo(item, options);
}
