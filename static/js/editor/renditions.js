// Renditions: the server's pictures of an item at one of a few sizes.

const STEPS = [512, 1024, 1600, 2048, 3072, 4096];

/** The largest rendition there is, and the largest that is asked for before somebody zooms in. */
export const FINEST = STEPS.at(-1);
const FIRST = 2048;

/** The address of an item's rendition. */
export function renditionUrl(item, { side, frame = 0 }) {
  const url = new URL(item.image_url, location.href);
  url.searchParams.set("max_side", side);
  url.searchParams.set("frame", frame);
  return url.href;
}

/** The smallest rendition with at least this many pixels on its longer side. */
export const stepFor = (pixels, upTo = FIRST) => {
  const steps = STEPS.filter((step) => step <= upTo);
  return steps.find((step) => step >= pixels) ?? steps.at(-1);
};
