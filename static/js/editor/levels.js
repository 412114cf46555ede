// Window and level of grey DICOM frames, by a table with one entry for each value that occurs. Windows are [centre, width]
// in modality units, such as Hounsfield units.

/** Window and level are for grey DICOM files; colour has none. */
export const hasWindow = (item) => item.is_dicom && /^MONOCHROME/.test(item.facts?.dicom?.photometric ?? "MONOCHROME2");

/** Windows in Hounsfield units, as radiologists use them; they mean something on CT only. */
const CT_PRESETS = { bone: [400, 1800], lung: [-600, 1500], brain: [40, 80], soft_tissue: [40, 400] };

/** Names of the presets that mean something for an item, in the order in which they are stepped through. */
export const presetsOf = (item) => ["file", ...(item.facts?.dicom?.modality === "CT" ? Object.keys(CT_PRESETS) : []), "full"];

/** The window of a preset for a frame; null for the way the file itself is shown. */
export function presetWindow(name, frame) {
  return name === "full" ? fullWindow(frame) : (CT_PRESETS[name] ?? null);
}

/** The window that spans all values of a frame. */
export const fullWindow = ({ low, step, entries }) => [low + ((entries - 1) * step) / 2 + 0.5, (entries - 1) * step + 1];

/** Where dragging starts: what the file's own window is, or all values where it has a table instead. */
export const startWindow = (frame) => frame.window ?? fullWindow(frame);

/**
 * A frame from the bytes of the server (projects/services/renditions.py, samples): {width, height, low, step, entries,
 * invert, window, own, values}. Sample s means low + s × step.
 */
export function parseFrame(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const own = new Uint8Array(buffer, 4 + length, header.entries);
  const start = 4 + length + Math.ceil(header.entries / 4) * 4;
  // Typed arrays have the byte order of the machine; all that browsers run on are little-endian, as the bytes are.
  return { ...header, own, values: new Uint16Array(buffer, start, header.width * header.height) };
}

/**
 * The grey, 0 to 255, of each sample of a frame under a window: the linear function of DICOM PS3.3 C.11.2.1.2.1, as the
 * server applies it. Without a window, as the file itself asks for.
 */
export function tableOf(frame, window) {
  if (!window) return frame.own;
  const { low, step, entries, invert } = frame;
  const [centre, width] = window;
  const table = new Uint8Array(entries);
  for (let s = 0; s < entries; s++) {
    const value = low + s * step;
    const share = width <= 1 ? Number(value > centre - 0.5) : (value - (centre - 0.5)) / (width - 1) + 0.5;
    const shown = Math.min(Math.max(share, 0), 1);
    table[s] = Math.round((invert ? 1 - shown : shown) * 255);
  }
  return table;
}

/** Fills the 32-bit pixels of an ImageData of the frame's size. */
export function applyTable({ values, entries }, table, pixels) {
  const colours = new Uint32Array(entries);
  for (let s = 0; s < entries; s++) colours[s] = 0xff000000 | (table[s] * 0x010101);
  for (let i = 0; i < values.length; i++) pixels[i] = colours[values[i]];
}
