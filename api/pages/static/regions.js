// Regions of this page are brought up to date in place, with the page as the server answers it anew.
import { morph } from "./morph.js";

const notice = document.getElementById("notice");
let latest = null;

export async function parsed(response) {
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

export function renew(fresh, regions = document.querySelectorAll("[data-live]")) {
  for (const region of regions) {
    const update = fresh.getElementById(region.id);
    if (update) morph(region, document.importNode(update, true));
  }
}

// Of requests that overtake each other the last one counts.
export async function renewFrom(url, options = {}, regions = undefined) {
  latest?.abort();
  const asked = (latest = new AbortController());
  try {
    const fresh = await parsed(await fetch(url, { ...options, headers: { Accept: "text/html" }, signal: asked.signal }));
    if (asked.signal.aborted) return;
    renew(fresh, regions);
    notice.textContent = "";
  } catch (error) {
    if (error.name !== "AbortError") notice.textContent = "No answer from the server.";
  }
}
