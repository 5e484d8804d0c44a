// A study's page: its table and jobs are kept current, its figures follow the table.
import "./actions.js";
import { showFigures } from "./figures.js";
import { keepCurrent } from "./live.js";

const study = document.getElementById("study");
let shown = study.dataset.trained;

showFigures();
document.addEventListener("refreshed", () => {
  if (study.dataset.trained === shown) return;
  shown = study.dataset.trained;
  showFigures();
});
keepCurrent();
