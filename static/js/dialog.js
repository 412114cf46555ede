// Opens <dialog> by [data-open-dialog="id"], closes it by [data-close-dialog] or a click beside it. The browser keeps
// focus inside and gives it back; Esc closes.

/** Opens the dialog with this id; throws where the page has none, since a button that does nothing helps nobody. */
export function openDialog(id) {
  const dialog = document.getElementById(id);
  if (!(dialog instanceof HTMLDialogElement)) throw new Error(`No dialog "${id}" on this page.`);
  if (!dialog.open) dialog.showModal();
  return dialog;
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-open-dialog]");
  if (opener) {
    event.preventDefault();
    openDialog(opener.dataset.openDialog);
    return;
  }
  const closer = event.target.closest("[data-close-dialog]");
  if (closer) {
    event.preventDefault();
    closer.closest("dialog").close();
    return;
  }
});

// A click that began and ended on the backdrop closes; one that began inside (selecting text) does not.
let pressedOn = null;
document.addEventListener("pointerdown", (event) => (pressedOn = event.target));
document.addEventListener("click", (event) => {
  const dialog = event.target;
  if (!(dialog instanceof HTMLDialogElement) || pressedOn !== dialog || dialog.hasAttribute("data-keep-open")) return;
  const box = dialog.getBoundingClientRect();
  const inside =
    event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
  if (!inside) dialog.close();
});
