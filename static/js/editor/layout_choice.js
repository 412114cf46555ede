// How many images a page has: radio buttons of the toolbar. Arrow keys walk over them, space or Enter chooses: another
// layout means another page, which is not fetched for each one that is passed on the way.

export class LayoutChoice {
  /** Calls onChoose(size). */
  constructor(onChoose) {
    this.buttons = [...document.querySelectorAll("[data-page-size]")];
    for (const [at, button] of this.buttons.entries()) {
      button.addEventListener("click", () => {
        button.blur(); // so that Enter means "submit" again
        onChoose(Number(button.dataset.pageSize));
      });
      button.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
        if (!step) return;
        event.preventDefault();
        this.buttons.at((at + step) % this.buttons.length).focus();
      });
    }
  }

  /** The size that holds now is the one that Tab leads to. */
  show(size) {
    for (const button of this.buttons) {
      const isChosen = Number(button.dataset.pageSize) === size;
      button.setAttribute("aria-checked", String(isChosen));
      button.tabIndex = isChosen ? 0 : -1;
    }
  }
}
