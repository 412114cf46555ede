// <details class="menu">: one open at a time, closed by Esc, by a click elsewhere and by leaving it with Tab; arrow keys move.

const items = (menu) => [...menu.querySelectorAll(".menu-list :is(a[href], button:not(:disabled))")];

function close(menu, { focus = false } = {}) {
  menu.open = false;
  if (focus) menu.querySelector("summary").focus();
}

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    const inside = menu.contains(event.target);
    if (!inside || (event.target.closest(".menu-list a, .menu-list button") && !event.target.closest("[data-keep-open]"))) close(menu);
  }
});

document.addEventListener("focusout", (event) => {
  const menu = event.target.closest?.("details.menu[open]");
  if (menu && event.relatedTarget && !menu.contains(event.relatedTarget)) close(menu);
});

document.addEventListener("keydown", (event) => {
  const menu = event.target.closest?.("details.menu");
  if (!menu) return;
  if (event.key === "Escape" && menu.open) {
    event.preventDefault(); // closing the menu is all that this key does
    event.stopPropagation();
    close(menu, { focus: true });
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    menu.open = true;
    const list = items(menu);
    const step = event.key === "ArrowDown" ? 1 : -1;
    const at = list.indexOf(document.activeElement);
    const start = at === -1 && step === -1 ? 0 : at;
    list[(start + step + list.length) % list.length]?.focus();
  }
});
