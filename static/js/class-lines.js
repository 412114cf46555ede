// Label classes as text, one per line: indented (two spaces or a tab per level), or as a path a/b/c.
// A tree is a list of {name, colour, children}; the same rules hold in projects/services/label_classes.

export const MAX_LEVELS = 6;
export const MAX_NAME = 120;

/** Names are compared composed, without case, with single spaces. */
export const nameKey = (name) => name.normalize("NFC").toLowerCase().split(/\s+/).filter(Boolean).join(" ");

/** The lines as a tree; a class named twice under the same parent is one class. */
export function parseLines(text) {
  const roots = [];
  const open = []; // the chain of classes above the next line: {indent, node}
  for (const line of text.split(/\r?\n/)) {
    if (!line.trim()) continue;
    const indent = line.match(/^[\t ]*/)[0].replaceAll("\t", "  ").length;
    while (open.length && open.at(-1).indent >= indent) open.pop();
    let node = open.at(-1)?.node;
    for (const part of line.split("/").map((piece) => piece.trim()).filter(Boolean)) {
      const siblings = node ? node.children : roots;
      const known = siblings.find((one) => nameKey(one.name) === nameKey(part));
      node = known ?? { name: part, colour: "", children: [] };
      if (!known) siblings.push(node);
    }
    if (node && line.trim()) open.push({ indent, node });
  }
  return roots;
}

/** The tree as indented lines. */
export function toLines(tree, level = 0) {
  return tree.map((node) => "  ".repeat(level) + node.name + "\n" + toLines(node.children, level + 1)).join("");
}

/** Colours of classes that go on being called what they were called, by path. */
export function keepColours(fresh, before) {
  for (const node of fresh) {
    const old = before.find((one) => nameKey(one.name) === nameKey(node.name));
    node.colour ||= old?.colour ?? "";
    keepColours(node.children, old?.children ?? []);
  }
  return fresh;
}
