// <button data-copy="text to copy" data-copied="Copied">: puts the text on the clipboard and says so for two seconds.

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const label = button.querySelector("[data-copy-label]") ?? button;
  const before = label.textContent;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    label.textContent = button.dataset.copied;
  } catch {
    // No clipboard without HTTPS or leave: select the text, so that Ctrl-C does it.
    const field = document.getElementById(button.dataset.copySource ?? "");
    if (!field) return;
    field.focus();
    field.select?.();
    return;
  }
  setTimeout(() => (label.textContent = before), 2_000);
});
