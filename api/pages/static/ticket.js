// A ticket's page: + and − make its mask larger and smaller in place; the address says how large.
import "./actions.js";
import { renewFrom } from "./regions.js";

const viewer = document.getElementById("mask");

viewer?.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-zoom][href]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  history.replaceState(null, "", link.href);
  renewFrom(link.href, {}, [viewer]);
});
viewer?.addEventListener("keydown", (event) => {
  const names = { "+": "Larger", "=": "Larger", "-": "Smaller" };
  if (event.ctrlKey || event.metaKey || !names[event.key] || event.target.closest("select")) return;
  viewer.querySelector(`a[data-zoom][aria-label="${names[event.key]}"]`)?.click();
});
