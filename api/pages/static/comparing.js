// Links [data-add] add a job's trainings to the comparison that was looked at last in this tab.
export const KEPT = "comparison";

function offer() {
  const kept = sessionStorage.getItem(KEPT);
  for (const link of document.querySelectorAll("[data-add]")) {
    link.hidden = !kept || kept.includes(link.dataset.add);
    if (kept) link.href = `/ui/compare${kept}&job=${link.dataset.add}`;
  }
}

offer();
document.addEventListener("refreshed", offer);
