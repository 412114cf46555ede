// With how much detail a shape is drawn.

/** Longest side in CSS pixels below which a shape is a filled rectangle, alone and in a crowd. */
const SPECK = 3;
const BLOCK = 10;
/** In a crowd, below which it is a thin line. */
const THIN = 40;

/**
 * How a shape of this extent (CSS pixels) is drawn: "block", "thin", "line" or "halo". A crowd is more than show well.
 * Thin lines and rectangles are what a rasteriser is quickest with, by a factor of three to ten.
 */
export function detailOf(extent, isCrowd) {
  if (extent < (isCrowd ? BLOCK : SPECK)) return "block";
  if (!isCrowd) return "halo";
  return extent < THIN ? "thin" : "line";
}
