// Brightness, contrast, gamma and inversion of what is shown, by one table of levels in an SVG filter of the page: nothing is
// fetched again, and grids and the large picture look alike.

export const PLAIN = { brightness: 100, contrast: 100, gamma: 1, invert: false };

export const isPlain = (light) => Object.keys(PLAIN).every((name) => light[name] === PLAIN[name]);

/**
 * What each of `count` levels from dark to bright becomes, between 0 and 1: gamma first (above 1 lifts dark parts), then
 * brightness as a factor, contrast around the middle, inversion last. Percentages as on the sliders.
 */
export function lightTable({ brightness, contrast, gamma, invert }, count = 256) {
  return Array.from({ length: count }, (_, i) => {
    const lifted = (i / (count - 1)) ** (1 / gamma) * (brightness / 100);
    const value = Math.min(Math.max((lifted - 0.5) * (contrast / 100) + 0.5, 0), 1);
    return invert ? 1 - value : value;
  });
}

/** Writes a light into the filter element; returns the CSS value that applies it. */
export function applyLight(filter, light) {
  if (isPlain(light)) return "none";
  const values = lightTable(light).map((value) => value.toFixed(4)).join(" ");
  for (const channel of filter.querySelectorAll("feFuncR, feFuncG, feFuncB")) channel.setAttribute("tableValues", values);
  return `url("#${filter.id}")`;
}
