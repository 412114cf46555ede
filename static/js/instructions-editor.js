// <rich-text><textarea name="instructions">…</textarea><template>toolbar</template></rich-text>
//
// A small editor of formatted text over a textarea, which stays what the form sends and what people without JavaScript
// see. Only the elements of ALLOWED ever get in; the server cleans again with the same list
// (projects/services/instructions). Alignment is a class, because the page's policy refuses inline styles.

import { toast } from "./toast.js";

const ALLOWED = new Set(["P", "BR", "B", "STRONG", "I", "EM", "U", "H2", "H3", "UL", "OL", "LI", "BLOCKQUOTE", "A", "CODE", "PRE", "HR", "IMG"]);
const BLOCKS = new Set(["P", "H2", "H3", "BLOCKQUOTE", "LI", "PRE"]);
const INLINE = new Set(["BR", "B", "STRONG", "I", "EM", "U", "A", "CODE", "IMG"]);
const DROPPED = new Set(["SCRIPT", "STYLE", "TEMPLATE", "IFRAME", "OBJECT", "HEAD", "TITLE", "META", "LINK"]);
const RENAMED = { DIV: "P", H1: "H2", H4: "H3", H5: "H3", H6: "H3" };
const ALIGNMENTS = ["align-left", "align-center", "align-right"];
const PICTURE = /^data:image\/(png|jpeg|gif|webp);base64,/i;
const PICTURE_SIDE = 1200;
const SIZES = ["P", "H3", "H2"]; // smaller to bigger

const TAG = /<[a-z](?:"[^"]*"|'[^']*'|[^'">])*>/gi;
const INLINE_CODE = /[\s"'/](?:style|on[a-z]+)\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>]+)/gi;

/** The markup less its styles and handlers: they mean nothing here, and the page's policy would refuse each aloud. */
const withoutInline = (html) =>
  html.replace(/<style[\s\S]*?<\/style\s*>/gi, "").replace(TAG, (tag) => tag.replace(INLINE_CODE, " "));

/** A fragment of this document that holds `html` with allowed elements and attributes only. */
export function cleaned(html) {
  const parsed = new DOMParser().parseFromString(withoutInline(html), "text/html");
  const fragment = document.createDocumentFragment();
  copyChildren(parsed.body, fragment);
  return fragment;
}

function copyChildren(from, to) {
  for (const node of from.childNodes) {
    if (node.nodeType === Node.TEXT_NODE) to.append(node.nodeValue);
    if (node.nodeType !== Node.ELEMENT_NODE || DROPPED.has(node.nodeName)) continue;
    const name = RENAMED[node.nodeName] ?? node.nodeName;
    if (!ALLOWED.has(name)) {
      copyChildren(node, to);
      continue;
    }
    const copy = document.createElement(name);
    const align = ALIGNMENTS.find((one) => node.classList.contains(one) || one === `align-${node.getAttribute("align")}`);
    if (align && align !== "align-left" && BLOCKS.has(name)) copy.className = align;
    if (name === "A" && /^(https?:|mailto:)/i.test(node.getAttribute("href") ?? "")) copy.setAttribute("href", node.getAttribute("href"));
    if (name === "IMG") {
      if (!PICTURE.test(node.getAttribute("src") ?? "")) continue;
      copy.setAttribute("src", node.getAttribute("src"));
      copy.setAttribute("alt", node.getAttribute("alt") ?? "");
    }
    copyChildren(node, copy);
    to.append(copy);
  }
}

class RichText extends HTMLElement {
  connectedCallback() {
    if (this.area) return;
    this.source = this.querySelector("textarea");
    const box = document.importNode(this.querySelector("template").content.firstElementChild, true);
    this.area = box.querySelector("[data-area]");
    this.toolbar = box.querySelector('[role="toolbar"]');
    this.area.contentEditable = "true";
    this.area.setAttribute("aria-label", this.querySelector(`label[for="${this.source.id}"]`)?.textContent.trim() ?? "");
    this.source.after(box);
    this.source.hidden = true;
    document.execCommand("defaultParagraphSeparator", false, "p");
    // A press must not take the selection away from the text.
    this.toolbar.addEventListener("mousedown", (event) => event.preventDefault());
    this.toolbar.addEventListener("click", (event) => this.command(event.target.closest("[data-command]")?.dataset.command));
    this.toolbar.addEventListener("keydown", (event) => this.steer(event));
    this.area.addEventListener("focus", () => this.ensureBlock());
    this.area.addEventListener("input", () => this.store());
    this.area.addEventListener("paste", (event) => this.pasted(event));
    this.file = box.querySelector('input[type="file"]');
    this.file.addEventListener("change", () => this.addPicture(this.file.files[0]));
    this.area.addEventListener("drop", (event) => event.dataTransfer?.files.length && event.preventDefault());
    document.addEventListener("selectionchange", () => this.showState());
    this.load();
  }

  /** Shows what the textarea holds. */
  load() {
    this.area.replaceChildren(cleaned(this.source.value));
    this.ensureBlock();
  }

  /** Text stands in a paragraph from its first letter on, else the browser would wrap it later and lose the caret. */
  ensureBlock() {
    if (this.area.firstElementChild && this.area.textContent.trim()) return;
    if (this.area.querySelector("li, img, hr")) return;
    const paragraph = document.createElement("p");
    paragraph.append(document.createElement("br"));
    this.area.replaceChildren(paragraph);
  }

  store() {
    const copy = document.createElement("div");
    copy.append(cleaned(this.area.innerHTML));
    this.source.value = copy.textContent.trim() || copy.querySelector("hr, img") ? copy.innerHTML : "";
    this.source.dispatchEvent(new Event("change", { bubbles: true }));
  }

  pasted(event) {
    event.preventDefault();
    const html = event.clipboardData.getData("text/html");
    if (!html) {
      document.execCommand("insertText", false, event.clipboardData.getData("text/plain"));
    } else {
      // Not by insertHTML, which would write the looks of the source as inline styles.
      this.insert(cleaned(html));
    }
    this.store();
  }

  /** Puts a fragment where the caret is; blocks go beside the block that holds it, the rest into the text. */
  insert(fragment) {
    const last = fragment.lastChild;
    if (!last) return;
    const range = getSelection().getRangeAt(0);
    if (!this.area.contains(range.startContainer)) range.selectNodeContents(this.area);
    range.deleteContents();
    const holdsBlocks = [...fragment.children].some((one) => !INLINE.has(one.nodeName));
    const block = this.blocks()[0];
    if (!holdsBlocks) range.insertNode(fragment);
    else if (block && block.nodeName !== "LI") block.after(fragment);
    else this.area.append(fragment);
    if (block && holdsBlocks && !block.textContent.trim() && !block.querySelector("img")) block.remove();
    getSelection().collapse(last, last.childNodes.length);
  }

  blocks() {
    const selection = getSelection();
    if (!selection.rangeCount || !this.area.contains(selection.anchorNode)) return [];
    const range = selection.getRangeAt(0);
    const all = [...this.area.querySelectorAll([...BLOCKS].join(","))].filter((one) => range.intersectsNode(one));
    return all.filter((one) => !all.some((other) => other !== one && one.contains(other)));
  }

  /** Puts a picture into the text itself, made small enough to travel with it. */
  async addPicture(file) {
    this.file.value = "";
    if (!file) return;
    try {
      const bitmap = await createImageBitmap(file);
      const scale = Math.min(1, PICTURE_SIDE / Math.max(bitmap.width, bitmap.height));
      const canvas = document.createElement("canvas");
      canvas.width = Math.max(1, Math.round(bitmap.width * scale));
      canvas.height = Math.max(1, Math.round(bitmap.height * scale));
      const context = canvas.getContext("2d");
      context.fillStyle = "#ffffff";
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
      this.area.focus();
      document.execCommand("insertImage", false, canvas.toDataURL("image/jpeg", 0.85));
      this.store();
    } catch (error) {
      toast(this.dataset.badPicture, "error");
      console.warn("The picture could not be read:", error.message);
    }
  }

  command(name) {
    if (!name) return;
    if (name === "picture") {
      this.file.click();
      return;
    }
    this.area.focus();
    if (!this.blocks().length) this.ensureBlock();
    if (name === "bigger" || name === "smaller") {
      const now = Math.max(0, SIZES.indexOf(this.blocks()[0]?.nodeName));
      const next = Math.min(SIZES.length - 1, Math.max(0, now + (name === "bigger" ? 1 : -1)));
      document.execCommand("formatBlock", false, SIZES[next].toLowerCase());
    } else if (name.startsWith("align-")) {
      for (const block of this.blocks()) {
        block.classList.remove(...ALIGNMENTS);
        if (name !== "align-left") block.classList.add(name);
        if (!block.className) block.removeAttribute("class");
      }
    } else document.execCommand(name);
    this.unnest();
    this.store();
    this.showState();
  }

  /** Chrome leaves a new list inside the paragraph it was made from, where HTML knows no list. */
  unnest() {
    for (const list of this.area.querySelectorAll("p > ul, p > ol")) {
      const paragraph = list.parentElement;
      const selection = getSelection();
      const [node, offset] = [selection.anchorNode, selection.anchorOffset];
      paragraph.replaceWith(...paragraph.childNodes);
      if (node && this.area.contains(node)) selection.collapse(node, offset);
    }
  }

  showState() {
    if (!this.area.contains(getSelection().anchorNode)) return;
    for (const name of ["bold", "italic", "underline", "insertUnorderedList", "insertOrderedList"]) {
      this.toolbar.querySelector(`[data-command="${name}"]`)?.setAttribute("aria-pressed", String(document.queryCommandState(name)));
    }
  }

  /** Arrow keys move along the toolbar, which is one stop for Tab. */
  steer(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const buttons = [...this.toolbar.querySelectorAll("button")];
    const at = buttons.indexOf(document.activeElement);
    const next = buttons[(at + step + buttons.length) % buttons.length];
    for (const button of buttons) button.tabIndex = button === next ? 0 : -1;
    next.focus();
  }
}

customElements.define("rich-text", RichText);
