// Small helpers over the DOM, and the page's translated sentences. Text goes in as text, never as markup.

/** An element with properties, data attributes (`data`), ARIA and other attributes (`attrs`) and children. */
export function element(tag, { data = {}, attrs = {}, ...properties } = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  Object.assign(node.dataset, data);
  for (const [name, value] of Object.entries(attrs)) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null));
  return node;
}

/** An icon of static/img/icons.svg; the page says where that lies. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `${byId("label-page").dataset.icons}#${name}`);
  svg.append(use);
  return svg;
}

let sentences = null;
let keyNames = {};

/** What {key_…} in a sentence stands for, by name of the action: a person's own keys. */
export const nameKeys = (names) => {
  keyNames = Object.fromEntries(Object.entries(names).map(([action, name]) => [`key_${action}`, name]));
};

/** The translated sentence with this key (templates/annotations/_label_messages.html), {names} filled in. */
export function say(key, values = {}) {
  sentences ??= new Map(
    [...document.getElementById("label-messages").content.querySelectorAll("[data-key]")].map((node) => [
      node.dataset.key,
      node.textContent.trim(),
    ]),
  );
  const sentence = sentences.get(key);
  if (sentence === undefined) throw new Error(`The page has no sentence "${key}".`);
  return sentence.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? keyNames[name] ?? whole);
}

export const byId = (id) => document.getElementById(id);

/** A v4 UUID; crypto.randomUUID is missing on plain http to another machine. */
export function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** Calls `run` once after `wait` ms without another call; `.flush()` runs a waiting call now. */
export function debounce(run, wait) {
  let timer = 0;
  let waiting = null;
  const later = (...args) => {
    clearTimeout(timer);
    waiting = args;
    timer = setTimeout(later.flush, wait);
  };
  later.flush = () => {
    clearTimeout(timer);
    const args = waiting;
    waiting = null;
    if (args) run(...args);
  };
  return later;
}

/** Reads and writes this browser's storage; without storage (private windows, full) the page works on and says so once. */
export const storage = {
  get(key) {
    try {
      return JSON.parse(localStorage.getItem(key));
    } catch (error) {
      console.info("Nothing readable in this browser's storage:", error.name);
      return null;
    }
  },
  /** False where the browser refused. */
  set(key, value) {
    try {
      localStorage.setItem(key, JSON.stringify(value));
      return true;
    } catch (error) {
      console.warn("This browser does not store:", error.name);
      return false;
    }
  },
  remove(key) {
    try {
      localStorage.removeItem(key);
    } catch (error) {
      console.info("No storage in this browser:", error.name);
    }
  },
  keys(prefix) {
    try {
      return Object.keys(localStorage).filter((key) => key.startsWith(prefix));
    } catch (error) {
      console.info("No storage in this browser:", error.name);
      return [];
    }
  },
};
