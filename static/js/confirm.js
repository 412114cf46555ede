// <form data-confirm="Delete this project?" data-confirm-detail="…" data-confirm-label="Delete" data-confirm-danger>
// asks in the page's #confirm-dialog (base.html) before it is sent. Without JavaScript the form is sent at once, so
// what a form asks here the server must be able to undo or check itself.

const dialog = document.getElementById("confirm-dialog");

/** Asks; resolves to true when the person agrees. */
export function ask({ title, detail = "", label, danger = false }) {
  const ok = dialog.querySelector("[data-confirm-ok]");
  dialog.querySelector("[data-confirm-title]").textContent = title;
  const text = dialog.querySelector("[data-confirm-text]");
  text.textContent = detail;
  text.hidden = !detail;
  ok.textContent = label || ok.dataset.defaultLabel;
  ok.classList.toggle("btn-danger", danger);
  dialog.returnValue = "";
  dialog.showModal();
  // The harmless choice has the focus, so a stray Enter destroys nothing.
  (danger ? dialog.querySelector("[value='cancel']") : ok).focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "ok"), { once: true });
  });
}

const agreed = new WeakSet();

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!dialog || !form.dataset.confirm || agreed.has(form)) return;
  event.preventDefault();
  const submitter = event.submitter;
  const yes = await ask({
    title: form.dataset.confirm,
    detail: form.dataset.confirmDetail,
    label: form.dataset.confirmLabel,
    danger: "confirmDanger" in form.dataset,
  });
  if (!yes) return;
  agreed.add(form);
  form.requestSubmit(submitter);
  agreed.delete(form);
});
