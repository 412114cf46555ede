// Forms in general: a form is sent once, the first wrong field gets the focus, [data-autosubmit] sends on change.

// The button that sent the form says so and refuses a second click. With data-stay (downloads) it stays as it is.
document.addEventListener("submit", (event) => {
  // Later, when every listener has had its say and the browser has read the form's data: a disabled button is not sent.
  setTimeout(() => {
    const { target: form, submitter } = event;
    if (event.defaultPrevented || !submitter || "stay" in form.dataset || form.method === "dialog") return;
    submitter.setAttribute("aria-busy", "true");
    submitter.disabled = true;
  });
});
// The Back button may bring the page back as it was left.
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("button[aria-busy='true']:disabled")) {
    button.disabled = false;
    button.removeAttribute("aria-busy");
  }
});

document.addEventListener("change", (event) => {
  const form = event.target.form;
  if (form && (event.target.dataset.autosubmit !== undefined || form.dataset.autosubmit !== undefined)) form.requestSubmit();
});

document.querySelector("[aria-invalid='true']")?.focus();
