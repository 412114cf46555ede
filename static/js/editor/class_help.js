// What a class is: its description, examples and counter-examples, below its row in the tags panel, on demand.

import { element, icon, say } from "./dom.js";

export class ClassHelp {
  /** `row` is the class's line of the panel; `button` opens and closes what is said about it. */
  constructor(one, row) {
    this.one = one;
    this.row = row;
    this.panel = null;
    const label = say("about_class", { name: one.name });
    const attrs = { "aria-label": label, "aria-expanded": "false" };
    this.button = element("button", { type: "button", className: "tag-about", title: label, attrs }, icon("help"));
    this.button.addEventListener("click", () => this.toggle());
  }

  toggle() {
    // Its images are asked for when somebody wants to see them, not before.
    this.panel ??= this.#build();
    const isOpen = this.panel.isConnected;
    if (isOpen) this.panel.remove();
    else this.row.append(this.panel);
    this.button.setAttribute("aria-expanded", String(!isOpen));
  }

  #build() {
    const { description, examples = [] } = this.one;
    return element(
      "div",
      { className: "class-help" },
      description ? element("p", { textContent: description }) : null,
      examples.length ? element("ul", { className: "examples" }, ...examples.map((example) => this.#example(example))) : null,
    );
  }

  #example({ url, counter, note, name }) {
    const kind = say(counter ? "counter_example" : "example");
    return element(
      "li",
      { className: counter ? "example is-counter" : "example" },
      element("img", { src: url, alt: `${kind}: ${note || name}`, decoding: "async" }),
      element("span", { className: "example-kind" }, icon(counter ? "ban" : "check"), kind),
      note ? element("span", { className: "example-note", textContent: note }) : null,
    );
  }
}
