// Forms that cancel, retry or prioritise jobs: sent without leaving the page.
import { refresh, say } from "./live.js";

const PATH = "/ui/jobs/batch";
const SAID_FOR = 4000;

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.getAttribute("action") !== PATH) return;
  event.preventDefault();
  const data = new FormData(form, event.submitter);
  const jobs = data.getAll("job").length;
  if (data.get("action") === "cancel" && !window.confirm(`Cancel ${jobs} ${jobs === 1 ? "job" : "jobs"}?`)) return;
  say("");
  try {
    const response = await fetch(PATH, {
      method: "POST",
      headers: { Accept: "application/json" },
      body: new URLSearchParams(data),
    });
    const answer = await response.json().catch(() => ({}));
    const words = answer.detail || answer.title || "The server refused.";
    say(words);
    setTimeout(() => document.getElementById("notice").textContent === words && say(""), SAID_FOR);
    if (response.ok) form.dispatchEvent(new Event("steered"));
  } catch {
    say("No answer from the server.");
  }
  await refresh();
});
