// The upload page: a file that is dropped or chosen is recognised at once, and again when something is said of it.
import { morph } from "./morph.js";

const QUIET = 400;
const form = document.getElementById("upload");
const drop = document.getElementById("drop");
const file = document.getElementById("file");
const notice = document.getElementById("notice");
let timer = null;
let latest = null;

async function check() {
  if (!file.files.length) return;
  latest?.abort();
  const asked = (latest = new AbortController());
  const body = new FormData(form);
  body.set("do", "check");
  notice.textContent = "Reading the file …";
  try {
    const response = await fetch(form.action, { method: "POST", body, headers: { Accept: "text/html" }, signal: asked.signal });
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    if (asked.signal.aborted) return;
    for (const region of document.querySelectorAll("[data-live]")) {
      const update = fresh.getElementById(region.id);
      if (update) morph(region, document.importNode(update, true));
    }
    notice.textContent = "";
  } catch (error) {
    if (error.name !== "AbortError") notice.textContent = "No answer from the server.";
  }
}

form.addEventListener("input", (event) => {
  clearTimeout(timer);
  timer = setTimeout(check, event.target === file ? 0 : QUIET);
});
form.addEventListener("submit", (event) => {
  clearTimeout(timer);
  if (event.submitter?.value !== "check") return;
  event.preventDefault();
  check();
});
for (const kind of ["dragenter", "dragover"]) {
  drop.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  if (!event.dataTransfer.files.length) return;
  file.files = event.dataTransfer.files;
  clearTimeout(timer);
  check();
});
