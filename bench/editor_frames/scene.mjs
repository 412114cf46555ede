// The reference scene: polygons with 20 corners over an image, the same for every method and every run.

export const SIZE = { width: 8000, height: 5000 };
export const COLOURS = ["#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#008080", "#9a6324", "#808000"];

/** A small generator with a seed (mulberry32). */
function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export function makeScene(count, corners = 20) {
  const random = generator(1);
  return Array.from({ length: count }, (_, id) => {
    const radius = 14 + random() * 30;
    const [cx, cy] = [radius + random() * (SIZE.width - 2 * radius), radius + random() * (SIZE.height - 2 * radius)];
    const outer = Array.from({ length: corners }, (_corner, i) => {
      const reach = radius * (0.75 + random() * 0.25);
      const angle = (2 * Math.PI * i) / corners;
      return [cx + reach * Math.cos(angle), cy + reach * Math.sin(angle)];
    });
    return { id: String(id), label_class: id % COLOURS.length, polygon: { parts: [{ outer, holes: [] }] } };
  });
}
