// Keeps the [data-live] regions of a page current: fetches its own address and changes only what differs.
import { parsed, renew } from "./regions.js";

const EVERY = 1000;
const SLOWEST = 15000;
const notice = document.getElementById("notice");

let timer = null;
let failures = 0;

export function say(text) {
  notice.textContent = text;
}

export async function refresh() {
  clearTimeout(timer);
  try {
    const response = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!response.ok) throw new Error(response.statusText);
    show(await parsed(response));
    if (failures) say("");
    failures = 0;
  } catch {
    failures += 1;
    if (failures === 3) say("No answer from the server. Trying again.");
  }
  schedule();
}

function show(fresh) {
  renew(fresh);
  document.title = fresh.title;
  document.dispatchEvent(new Event("refreshed"));
}

// A page whose job has ended says so by [data-still]: nothing on it will change.
function schedule() {
  clearTimeout(timer);
  if (document.hidden || document.querySelector("[data-still]")) return;
  timer = setTimeout(refresh, Math.min(EVERY * 2 ** Math.max(failures - 1, 0), SLOWEST));
}

export function keepCurrent() {
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) clearTimeout(timer);
    else if (!document.querySelector("[data-still]")) refresh();
  });
  schedule();
}
