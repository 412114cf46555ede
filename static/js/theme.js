// <button data-theme-choice="light|dark|auto">: the theme of this browser, kept in localStorage; auto follows the system.
const KEY = "tessera-theme";

function stored() {
  try {
    return localStorage.getItem(KEY) ?? "auto";
  } catch {
    return document.documentElement.dataset.theme ?? "auto";
  }
}

function show(theme) {
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === theme));
  }
}

export function setTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    if (theme === "auto") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch (error) {
    console.info("The theme lasts for this page only: the browser keeps no storage.", error.name);
  }
  show(theme);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-theme-choice]");
  if (button) setTheme(button.dataset.themeChoice);
});
// Another tab chose: follow it.
addEventListener("storage", (event) => {
  if (event.key === KEY) setTheme(event.newValue ?? "auto");
});
show(stored());
