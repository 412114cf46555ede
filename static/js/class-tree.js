// <class-tree><textarea name="classes" hidden>[{"name","colour","children"}]</textarea> … <template> parts</class-tree>
//
// A tree of label classes that people type into. The textarea holds the tree as JSON and is what the form sends.
// Sentences come from the data-* attributes of the element, markup of a row from its <template>.
import { PALETTE } from "./colours.js";
import { MAX_LEVELS, MAX_NAME, keepColours, nameKey, parseLines, toLines } from "./class-lines.js";

class ClassTree extends HTMLElement {
  connectedCallback() {
    this.source = this.querySelector('textarea[name="classes"]');
    this.list = this.querySelector("[data-tree]");
    this.row = this.querySelector("template").content.firstElementChild;
    this.bulk = this.querySelector("[data-bulk]");
    this.bulkText = this.bulk.querySelector("textarea");
    this.addEventListener("click", (event) => this.clicked(event));
    this.addEventListener("keydown", (event) => this.pressed(event));
    this.list.addEventListener("input", (event) => this.typed(event));
    this.load();
  }

  /** Reads the tree from the textarea, as after a restored draft. */
  load() {
    let tree = [];
    try {
      tree = JSON.parse(this.source.value || "[]");
    } catch (error) {
      console.warn("The class tree was not readable and starts empty:", error.message);
    }
    this.tree = clean(tree);
    if (!this.tree.length) this.tree.push(blank());
    this.draw();
  }

  get value() {
    return withoutEmpty(this.tree);
  }

  /** An empty text, or what has to be mended before going on; marks the fields at fault. */
  validate() {
    if (!this.bulk.hidden) this.takeBulk();
    const wrong = [];
    this.walk((node, siblings) => {
      const name = node.name.trim();
      const twin = name && siblings.some((one) => one !== node && nameKey(one.name) === nameKey(name));
      let sentence = "";
      if (!name && node.children.some((child) => child.name.trim())) sentence = this.dataset.errorEmpty;
      else if (name.includes("/")) sentence = this.dataset.errorSlash;
      else if (name.length > MAX_NAME) sentence = this.dataset.errorLong;
      else if (twin) sentence = this.dataset.errorTwice.replace("{name}", name);
      const input = this.inputOf(node);
      input?.removeAttribute("aria-invalid");
      if (sentence) {
        input?.setAttribute("aria-invalid", "true");
        wrong.push(sentence);
      }
    });
    if (wrong.length) return wrong[0];
    if (this.value.length) return "";
    this.list.querySelector('input[type="text"]')?.setAttribute("aria-invalid", "true");
    return this.dataset.errorNone;
  }

  walk(visit, nodes = this.tree, level = 1) {
    for (const node of nodes) {
      visit(node, nodes, level);
      this.walk(visit, node.children, level + 1);
    }
  }

  inputOf(node) {
    return [...this.list.querySelectorAll("li")].find((item) => item.node === node)?.querySelector('input[type="text"]');
  }

  draw(focusOn = null) {
    let index = 0;
    const used = new Set();
    this.walk((node) => used.add(node.colour));
    const free = () => PALETTE.find((colour) => !used.has(colour)) ?? PALETTE[index % PALETTE.length];
    const build = (nodes, level) =>
      nodes.map((node) => {
        const item = document.importNode(this.row, true);
        item.node = node;
        item.siblings = nodes;
        item.dataset.folded = String(Boolean(node.folded));
        node.colour ||= free();
        used.add(node.colour);
        const [swatch, name] = [item.querySelector('input[type="color"]'), item.querySelector('input[type="text"]')];
        swatch.value = node.colour;
        name.value = node.name;
        name.maxLength = MAX_NAME;
        const key = item.querySelector("[data-key-number]");
        if (index < 9) key.textContent = String(index + 1);
        else key.hidden = true;
        index += 1;
        item.querySelector('[data-do="child"]').disabled = level >= MAX_LEVELS;
        item.querySelector('[data-do="fold"]').setAttribute("aria-expanded", String(!node.folded));
        item.querySelector("ul").append(...build(node.children, level + 1));
        return item;
      });
    this.list.replaceChildren(...build(this.tree, 1));
    this.store();
    if (focusOn) this.inputOf(focusOn)?.focus();
  }

  store() {
    this.source.value = JSON.stringify(this.value);
    this.source.dispatchEvent(new Event("change", { bubbles: true }));
  }

  typed(event) {
    const item = event.target.closest("li");
    if (event.target.type === "color") item.node.colour = event.target.value;
    else {
      item.node.name = event.target.value;
      for (const input of this.list.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
    }
    this.store();
  }

  pressed(event) {
    if (!event.target.matches('[data-tree] input[type="text"]')) return;
    const { node, siblings } = event.target.closest("li");
    const at = siblings.indexOf(node);
    if (event.key === "Enter") {
      event.preventDefault();
      const fresh = blank();
      siblings.splice(at + 1, 0, fresh);
      this.draw(fresh);
    } else if (event.key === "Backspace" && !node.name && !node.children.length && this.count() > 1) {
      event.preventDefault();
      siblings.splice(at, 1);
      this.draw(siblings[at - 1] ?? siblings[0] ?? this.tree[0]);
    } else if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
      event.preventDefault();
      this.move(node, siblings, event.key === "ArrowUp" ? -1 : 1);
    }
  }

  count() {
    let count = 0;
    this.walk(() => (count += 1));
    return count;
  }

  move(node, siblings, step) {
    const at = siblings.indexOf(node);
    const to = at + step;
    if (to < 0 || to >= siblings.length) return;
    siblings.splice(at, 1);
    siblings.splice(to, 0, node);
    this.draw(node);
  }

  clicked(event) {
    const button = event.target.closest("[data-do]");
    if (!button) return;
    const action = button.dataset.do;
    const { node, siblings } = button.closest("[data-tree] li") ?? {};
    if (action === "add") {
      const fresh = blank();
      this.tree.push(fresh);
      this.draw(fresh);
    } else if (action === "child") {
      const fresh = blank();
      node.children.push(fresh);
      node.folded = false;
      this.draw(fresh);
    } else if (action === "remove") {
      siblings.splice(siblings.indexOf(node), 1);
      this.draw(siblings[0]);
    } else if (action === "up" || action === "down") this.move(node, siblings, action === "up" ? -1 : 1);
    else if (action === "fold") {
      node.folded = !node.folded;
      this.draw(node);
    } else if (action === "fold-all" || action === "unfold-all") {
      this.walk((one) => (one.folded = action === "fold-all" && one.children.length > 0));
      this.draw();
    } else if (action === "bulk") this.openBulk(this.bulk.hidden);
    else if (action === "bulk-apply") this.takeBulk();
  }

  takeBulk() {
    this.tree = keepColours(parseLines(this.bulkText.value), this.tree);
    this.openBulk(false);
    this.draw();
  }

  openBulk(open) {
    this.bulk.hidden = !open;
    this.list.hidden = open;
    this.querySelector('[data-do="bulk"]').setAttribute("aria-expanded", String(open));
    if (!open) return;
    this.bulkText.value = toLines(this.value);
    this.bulkText.focus();
  }
}

const blank = () => ({ name: "", colour: "", children: [] });

function clean(tree) {
  if (!Array.isArray(tree)) return [];
  return tree.map((node) => ({
    name: String(node.name ?? ""),
    colour: /^#[0-9a-f]{6}$/i.test(node.colour) ? node.colour.toLowerCase() : "",
    children: clean(node.children ?? []),
  }));
}

function withoutEmpty(tree) {
  return tree
    .map(({ name, colour, children }) => ({ name: name.trim(), colour, children: withoutEmpty(children) }))
    .filter((node) => node.name || node.children.length);
}

customElements.define("class-tree", ClassTree);
