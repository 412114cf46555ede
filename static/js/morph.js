// Makes the children of one element look like those of another, keeping the nodes that need not change: focus, typed
// text, scroll positions, open menus and loaded images survive.

// "style" holds what scripts set through CSSOM; "open" is the person's doing. The server sends neither.
const KEPT = new Set(["style", "open"]);

const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.id || node.dataset?.key || "" : "");

/** Changes the children of `target` into copies of the children of `source` (from any document). */
export function morphChildren(target, source) {
  const keyed = new Map();
  for (const child of target.children) if (keyOf(child)) keyed.set(keyOf(child), child);
  let at = target.firstChild;
  for (const wanted of [...source.childNodes]) {
    const key = keyOf(wanted);
    let match = key ? keyed.get(key) : null;
    if (!match && !key && at && !keyOf(at) && isSameKind(at, wanted)) match = at;
    if (match && isSameKind(match, wanted)) {
      if (match === at) at = at.nextSibling;
      else target.insertBefore(match, at);
      morphNode(match, wanted);
    } else {
      target.insertBefore(document.importNode(wanted, true), at);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function isSameKind(a, b) {
  return a.nodeType === b.nodeType && a.nodeName === b.nodeName;
}

function morphNode(node, wanted) {
  if (node.nodeType !== Node.ELEMENT_NODE) {
    if (node.nodeValue !== wanted.nodeValue) node.nodeValue = wanted.nodeValue;
    return;
  }
  for (const { name } of [...node.attributes]) {
    if (!wanted.hasAttribute(name) && !KEPT.has(name)) node.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (node.getAttribute(name) !== value) node.setAttribute(name, value);
  }
  // A custom element with a render() fills itself; its attributes are all it needs.
  if (typeof node.render === "function") node.render();
  else morphChildren(node, wanted);
}
