// A line chart in SVG: one series per training, the one looked at in the accent colour, the others behind it.
const SVG = "http://www.w3.org/2000/svg";
const MARGIN = { left: 44, right: 10, top: 8, bottom: 22 };

export function element(name, attributes, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

// About `count` round numbers that cover [low, high].
export function ticks(low, high, count) {
  const raw = (high - low || Math.abs(high) || 1) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= raw);
  const first = Math.floor(low / step);
  const last = Math.max(Math.ceil(high / step), first + 1);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

// `series`: [{ points: [[x, y], …], current }]; x are epochs from 1 on.
export function draw(svg, series) {
  const drawn = series.filter((one) => one.points.length);
  const { width, height } = svg.getBoundingClientRect();
  if (!drawn.length || !width) return;
  const xs = drawn.flatMap((one) => one.points.map(([x]) => x));
  const ys = drawn.flatMap((one) => one.points.map(([, y]) => y));
  const right = Math.max(...xs.slice(0, 1), xs.reduce((a, b) => Math.max(a, b)), 2);
  const levels = ticks(ys.reduce((a, b) => Math.min(a, b)), ys.reduce((a, b) => Math.max(a, b)), 4);
  const [bottom, top] = [levels[0], levels[levels.length - 1]];
  const x = (value) => MARGIN.left + ((value - 1) / (right - 1)) * (width - MARGIN.left - MARGIN.right);
  const y = (value) => height - MARGIN.bottom - ((value - bottom) / (top - bottom)) * (height - MARGIN.top - MARGIN.bottom);

  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const parts = [];
  for (const level of levels) {
    parts.push(element("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(level), y2: y(level) }));
    parts.push(element("text", { x: MARGIN.left - 8, y: y(level) + 4, "text-anchor": "end" }, String(level)));
  }
  for (const epoch of new Set(ticks(1, right, 5).map((value) => Math.max(1, value)))) {
    if (!Number.isInteger(epoch) || epoch > right) continue;
    parts.push(element("text", { x: x(epoch), y: height - 4, "text-anchor": "middle" }, String(epoch)));
  }
  for (const one of [...drawn].sort((a, b) => a.current - b.current)) {
    const place = one.points.map(([a, b]) => `${x(a).toFixed(1)},${y(b).toFixed(1)}`);
    const name = one.current ? "series current" : "series";
    parts.push(element("polyline", { class: name, points: place.join(" ") }));
    if (one.current) {
      const [cx, cy] = place[place.length - 1].split(",");
      parts.push(element("circle", { class: "end", cx, cy, r: 3.5 }));
    }
  }
  svg.replaceChildren(...parts);
}
