// <form data-parts> with <div data-when="kind=upload">: parts that belong to a choice are there only while it is
// chosen. Without JavaScript all parts are there. Fields inside with data-required are required only then.

/** Shows and hides the parts of a form by its present values. */
export function showParts(form) {
  for (const part of form.querySelectorAll("[data-when]")) {
    const [name, wanted] = part.dataset.when.split("=");
    const field = form.elements[name];
    const value = field instanceof HTMLInputElement && field.type === "checkbox" ? String(field.checked) : field?.value;
    part.hidden = value !== wanted;
    for (const inner of part.querySelectorAll("[data-required]")) inner.required = !part.hidden;
  }
}

for (const form of document.querySelectorAll("form[data-parts]")) {
  showParts(form);
  form.addEventListener("change", () => showParts(form));
}
