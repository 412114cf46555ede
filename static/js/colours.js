// Class colours without inline styles: [data-colour="#rrggbb"] gets --class-colour through CSSOM, which the content
// policy allows. Watches the page, so fragments that arrive later are coloured too.

/** The palette of css/tokens.css, safe for colour-blind people; the n-th class takes the n-th, then from the start. */
export const PALETTE = [
  "#00aaaa", "#770066", "#6600ff", "#ff4400", "#6666aa", "#ffaa00",
  "#663300", "#bbbbff", "#88ddaa", "#0033aa", "#aa4455", "#aa77ff",
];

const HEX = /^#[0-9a-f]{6}$/i;

/** Colours `root` and everything in it that names a colour; other values than #rrggbb are left alone. */
export function colourIn(root) {
  const all = root.matches?.("[data-colour]") ? [root] : [];
  for (const element of [...all, ...root.querySelectorAll("[data-colour]")]) {
    if (HEX.test(element.dataset.colour)) element.style.setProperty("--class-colour", element.dataset.colour);
  }
}

/** Black or white, whichever reads better on this colour (WCAG relative luminance). */
export function inkOn(colour) {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const c = parseInt(colour.slice(at, at + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000000" : "#ffffff";
}

if (globalThis.document) watch(); // unit tests take the functions only

function watch() {
  colourIn(document);
  new MutationObserver((changes) => {
    for (const change of changes) {
      if (change.type === "attributes") colourIn(change.target);
      for (const node of change.addedNodes) if (node.nodeType === Node.ELEMENT_NODE) colourIn(node);
    }
  }).observe(document.documentElement, { childList: true, subtree: true, attributeFilter: ["data-colour"] });
}
