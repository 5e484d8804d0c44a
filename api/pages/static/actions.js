// Buttons: [data-post] asks the API to do something, [data-copy] copies the lines beside it.
import { refresh, say } from "./live.js";

async function post(button) {
  const { post: url, confirm: question, follow } = button.dataset;
  if (question && !window.confirm(question)) return;
  button.disabled = true;
  say("");
  try {
    const response = await fetch(url, { method: "POST", headers: { Accept: "application/json" } });
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) say(answer.detail || answer.title || "The server refused.");
    else if (follow !== undefined && answer.id) location.assign(`/ui/jobs/${encodeURIComponent(answer.id)}`);
  } catch {
    say("No answer from the server.");
  }
  button.disabled = false;
  await refresh();
}

async function copy(button) {
  await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = "Copy"), 1500);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.matches("[data-post]")) post(button);
  else if (button?.matches("[data-copy]")) copy(button);
});

// The clipboard exists only where the page came over HTTPS or from this machine.
export function offerCopies() {
  if (!navigator.clipboard) return;
  for (const button of document.querySelectorAll("[data-copy]")) button.hidden = false;
}

offerCopies();
document.addEventListener("refreshed", offerCopies);
