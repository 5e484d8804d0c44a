// The page of compared trainings: their curves, and its address kept for the pages of jobs to add to.
import "./actions.js";
import { KEPT } from "./comparing.js";

if (document.getElementById("figures")) {
  sessionStorage.setItem(KEPT, location.search);
  const { showFigures } = await import("./figures.js");
  showFigures();
} else {
  sessionStorage.removeItem(KEPT);
}
