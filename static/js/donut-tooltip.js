// Says the name and the count of a part of a donut beside the pointer, and marks its line in the legend, and the other
// way round. The numbers stand in the legend too: without a pointer or without this module nothing is missing.

const tip = document.createElement("div");
tip.className = "donut-tip";
tip.hidden = true;
document.body.append(tip);

/** The segment, title and legend line that belong to what the pointer is over. */
function partOf(target) {
  const donut = target.closest?.(".donut");
  if (!donut) return null;
  const lines = [...donut.querySelectorAll(".legend li")];
  const kindOf = (element) => [...element.classList].find((name) => name.startsWith("seg-"));
  const segment = target.closest(".donut-seg");
  const line = target.closest(".legend li");
  const kind = segment ? kindOf(segment) : line && kindOf(line.querySelector(".dot"));
  if (!kind) return null;
  return {
    segment: donut.querySelector(`.donut-seg.${kind}`),
    line: lines.find((one) => one.querySelector(`.dot.${kind}`)),
    text: donut.querySelector(`.donut-seg.${kind} title`)?.textContent,
  };
}

function show(part) {
  for (const shown of document.querySelectorAll(".donut [data-shown]")) shown.removeAttribute("data-shown");
  tip.hidden = !part?.text;
  if (!part) return;
  part.segment?.setAttribute("data-shown", "true");
  part.line?.setAttribute("data-shown", "true");
  tip.textContent = part.text ?? "";
}

document.addEventListener("pointermove", (event) => {
  const part = partOf(event.target);
  if (!part && tip.hidden) return;
  show(part);
  const left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8);
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${Math.max(8, event.clientY - tip.offsetHeight - 10)}px`;
});
document.documentElement.addEventListener("pointerleave", () => show(null));
