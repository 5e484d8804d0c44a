// The list of jobs: kept current, and a selection that outlives every update of it.
import "./actions.js";
import { keepCurrent } from "./live.js";
import "./steer.js";

const bar = document.getElementById("batch");
const tally = document.getElementById("selected");
const all = document.getElementById("all");
const boxes = () => [...document.querySelectorAll('input[name="job"]')];
let selected = new Set(boxes().filter((box) => box.checked).map((box) => box.value));

// A job that moves to another section is another element; one that left the page is no longer selected.
function show() {
  const here = boxes();
  selected = new Set(here.map((box) => box.value).filter((job) => selected.has(job)));
  for (const box of here) box.checked = selected.has(box.value);
  bar.hidden = selected.size === 0;
  const text = `${selected.size} selected`;
  if (tally.textContent !== text) tally.textContent = text;
  all.hidden = here.length === 0;
}

document.addEventListener("change", ({ target }) => {
  if (target.name !== "job") return;
  if (target.checked) selected.add(target.value);
  else selected.delete(target.value);
  show();
});
all.addEventListener("click", () => {
  const every = boxes().map((box) => box.value);
  selected = every.every((job) => selected.has(job)) ? new Set() : new Set(every);
  show();
});
bar.addEventListener("steered", () => {
  selected.clear();
  show();
});
document.addEventListener("refreshed", show);
show();
keepCurrent();
