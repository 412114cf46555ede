// A photo under the annotations. It knows how to load itself, finer where it is looked at closer, and how to draw a region
// of itself in coordinates of the view; so do the frames of grey_frames.js.

import { pictureFor } from "./pictures.js";
import { EXPENSIVE, drawWhole } from "./render.js";
import { FINEST, renditionUrl, stepFor } from "./renditions.js";
import { Tiles } from "./image_tiles.js";

/** A photo, or a frame of a DICOM file in colour: the server's renditions, a larger one when somebody zooms in. */
export class Photo {
  /** `changed(region)` is called when something finer has come for a region of the image, for all of it without one. */
  constructor(item, { changed }) {
    this.item = item;
    this.changed = changed;
    this.tiles = item.tiles ? new Tiles(item, { changed }) : null;
    this.image = null;
    this.side = 0;
    this.frame = 0;
    this.asked = 0;
  }

  /** Loads a frame in a size for so many pixels on its longer side. False where another call has come since. */
  async load({ frame, pixels }) {
    this.frame = frame;
    return this.#fetch(Math.max(this.side, stepFor(pixels)));
  }

  async #fetch(side) {
    const number = (this.asked += 1);
    const image = pictureFor(renditionUrl(this.item, { side, frame: this.frame }));
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
  async refine({ pixels, viewport, ratio }) {
    if (this.tiles) {
      this.tiles.want(viewport, ratio);
      return;
    }
    const wanted = stepFor(pixels, FINEST);
    if (!this.image || wanted <= this.side || this.side >= Math.max(this.item.width, this.item.height)) return;
    if (await this.#fetch(wanted)) this.changed();
  }

  draw(context, viewport, region) {
    if (!this.image) return 0;
    drawWhole(context, this.image, viewport);
    this.tiles?.draw(context, viewport, region);
    return EXPENSIVE;
  }

  close() {
    this.tiles?.close();
    this.asked += 1;
    this.image = null;
  }
}
