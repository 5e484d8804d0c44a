// The upload page: a file that is dropped or chosen is recognised at once, and again when something is said of it.
import { renewFrom } from "./regions.js";

const QUIET = 400;
const form = document.getElementById("upload");
const drop = document.getElementById("drop");
const file = document.getElementById("file");
const notice = document.getElementById("notice");
let timer = null;

function check() {
  if (!file.files.length) return;
  const body = new FormData(form);
  body.set("do", "check");
  notice.textContent = "Reading the file …";
  renewFrom(form.action, { method: "POST", body });
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
