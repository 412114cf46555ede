// Window and level of grey DICOM files: where they start.

import { renditionUrl } from "./renditions.js";

const SIDE = 512;

/** Window and level are for grey DICOM files; colour has none. */
export const hasWindow = (item) => item.is_dicom && /^MONOCHROME/.test(item.facts?.dicom?.photometric ?? "MONOCHROME2");

/** [centre, width] as the file says, or null where it says nothing and the site shows the range of each frame. */
export function fileWindow({ facts }) {
  const { window_center: centre, window_width: width } = facts?.dicom ?? {};
  return Number.isFinite(centre) && width >= 1 ? [centre, width] : null;
}

/** [centre, width] of all values that can occur in the file. */
export function fullWindow({ facts }) {
  const { value_low: low, value_high: high } = facts?.dicom ?? {};
  return high > low ? [(low + high) / 2, high - low] : [128, 256];
}

/** The values of the darkest and brightest grey (0–255) under a window, as the window that just spans them. */
export function spanned([centre, width], dark, bright) {
  const step = width / 255;
  const low = centre - width / 2 + dark * step;
  const high = centre - width / 2 + bright * step;
  // One step wider on both sides, for what rounding to 255 greys has hidden.
  return [(low + high) / 2, Math.max(high - low + 2 * step, 1)];
}

/** The window that spans the values of one frame: read off a rendition of the full range, then again, closer. */
export async function frameWindow(item, frame) {
  let window = fullWindow(item);
  for (let pass = 0; pass < 2; pass++) {
    const image = new Image();
    image.src = renditionUrl(item, { side: SIDE, frame, window });
    await image.decode();
    const [dark, bright] = greyRange(image);
    // MONOCHROME1 shows its lowest value white.
    const isInverted = item.facts?.dicom?.photometric === "MONOCHROME1";
    window = isInverted ? spanned(window, 255 - bright, 255 - dark) : spanned(window, dark, bright);
  }
  return window;
}

function greyRange(image) {
  const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  let dark = 255;
  let bright = 0;
  for (let i = 0; i < data.length; i += 4) {
    dark = Math.min(dark, data[i]);
    bright = Math.max(bright, data[i]);
  }
  return [dark, bright];
}
