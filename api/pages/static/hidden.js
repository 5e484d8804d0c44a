// Which curves of a figure are hidden: the address says it, so that it lasts and can be passed on.
const NAME = "hide";

export function hidden(figure) {
  const all = new URLSearchParams(location.search).getAll(NAME);
  return new Set(all.filter((one) => one.startsWith(`${figure}:`)).map((one) => one.slice(figure.length + 1)));
}

export function toggle(figure, curve) {
  const url = new URL(location.href);
  const [all, one] = [url.searchParams.getAll(NAME), `${figure}:${curve}`];
  url.searchParams.delete(NAME);
  const now = all.includes(one) ? all.filter((other) => other !== one) : [...all, one];
  for (const other of now) url.searchParams.append(NAME, other);
  history.replaceState(history.state, "", url);
  document.dispatchEvent(new Event("hidden"));
}
