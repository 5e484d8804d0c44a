// The page of compared trainings: their curves, and its address kept for the pages of jobs to add to.
import "./actions.js";
import { KEPT } from "./comparing.js";
import { refresh } from "./live.js";

if (document.getElementById("figures")) {
  sessionStorage.setItem(KEPT, location.search);
  // The links that lead on from here keep what is hidden.
  document.addEventListener("hidden", () => {
    sessionStorage.setItem(KEPT, location.search);
    refresh();
  });
  const { showFigures } = await import("./figures.js");
  showFigures();
} else {
  sessionStorage.removeItem(KEPT);
}
