// IMP's levels as they come: of every level the trainings so far, and how well they do after their last epoch.
const NAME = /\blevel (\d+)$/;
const table = document.getElementById("levels");
const percent = (share) => `${(share * 100).toFixed(2)} %`;
const mean = (numbers) => numbers.reduce((a, b) => a + b, 0) / numbers.length;

// `trainings`: by name, a map of epochs.
export function tellLevels(trainings) {
  const levels = new Map();
  for (const [name, epochs] of trainings) {
    const found = NAME.exec(name);
    if (!found) continue;
    const level = Number(found[1]);
    const last = [...epochs.values()].reduce((a, b) => (b.epoch > a.epoch ? b : a));
    levels.set(level, [...(levels.get(level) ?? []), last]);
  }
  table.closest("section").hidden = levels.size < 2;
  const fraction = Number(table.dataset.fraction);
  [...levels].sort(([a], [b]) => a - b).forEach(([level, lasts], i) => {
    const row = table.tBodies[0].rows[i] ?? table.tBodies[0].insertRow();
    const values = [
      level,
      fraction ? percent(1 - (1 - fraction) ** level) : "–",
      lasts.length,
      Math.min(...lasts.map((one) => one.epoch)),
      percent(mean(lasts.map((one) => one.correct / one.total))),
      mean(lasts.map((one) => one.train_loss)).toFixed(4),
    ];
    values.forEach((value, j) => {
      const cell = row.cells[j] ?? row.insertCell();
      cell.className = "n";
      if (cell.textContent !== String(value)) cell.textContent = value;
    });
  });
}
