// The stretch form: as one edits, the address follows, and the dry run of that address takes the place of the last.
import { renewFrom } from "./regions.js";

const QUIET = 250;
const form = document.getElementById("form");
let timer = null;

function edited() {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value.trim()) query.append(name, value);
  const url = `${form.action}?${query}`;
  history.replaceState(null, "", url);
  renewFrom(url);
}

// What an address says is what the fields show, also where somebody has typed in them.
function fill() {
  const query = new URL(location.href).searchParams;
  for (const field of form.elements) if (field.name) field.value = query.get(field.name) ?? "";
  if (!query.has("architecture")) form.elements.architecture.value = form.elements.architecture.defaultValue;
}

form.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(edited, QUIET);
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(timer);
  edited();
});
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-swap]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  clearTimeout(timer);
  history.pushState(null, "", link.href?.baseVal ?? link.href);
  fill();
  renewFrom(location.href);
});
window.addEventListener("popstate", () => {
  fill();
  renewFrom(location.href);
});

// What was typed before this script was here.
if ([...form.elements].some((field) => "defaultValue" in field && field.value !== field.defaultValue)) edited();
