// <tessera-progress value="40" max="100" label="Importing">: a native progress bar with its text. Scripts set the
// attributes; no value means that the end is not known. Pages drawn by the server use components/_progress.html, which
// has the same look without JavaScript.

class TesseraProgress extends HTMLElement {
  static observedAttributes = ["value", "max", "label", "text"];

  connectedCallback() {
    if (!this.bar) {
      this.bar = document.createElement("progress");
      this.text = document.createElement("span");
      this.text.className = "progress-text";
      this.classList.add("progress");
      this.replaceChildren(this.bar, this.text);
    }
    this.render();
  }

  attributeChangedCallback() {
    if (this.bar) this.render();
  }

  render() {
    const max = Number(this.getAttribute("max")) || 100;
    const value = this.getAttribute("value");
    const known = value !== null && value !== "";
    this.bar.max = max;
    if (known) this.bar.value = Math.min(Number(value), max);
    else this.bar.removeAttribute("value");
    this.bar.setAttribute("aria-label", this.getAttribute("label") ?? "");
    this.text.textContent = this.getAttribute("text") ?? (known ? `${Math.floor((100 * this.bar.value) / max)} %` : "");
  }
}

customElements.define("tessera-progress", TesseraProgress);
