// Short messages from scripts, in the corner, read out politely. Errors stay until they are closed.

const VISIBLE_MS = 6_000;

/** Shows `text`; kind is info, success, warning or error. */
export function toast(text, kind = "info") {
  const place = document.getElementById("toasts");
  const template = document.getElementById("toast-template");
  const box = template.content.firstElementChild.cloneNode(true);
  box.classList.add(`alert-${kind}`);
  box.querySelector("[data-toast-text]").textContent = text;
  const close = () => box.remove();
  box.querySelector("button").addEventListener("click", close);
  place.append(box);
  if (kind !== "error") setTimeout(close, VISIBLE_MS);
  return box;
}
