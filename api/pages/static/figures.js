// Figures drawn from their data: a point tells its value, a click in the legend hides a curve, as the address says.
import { element, ticks } from "./chart.js";
import { hidden, toggle } from "./hidden.js";

const MARGIN = { left: 46, right: 14, top: 10, bottom: 40 };
const COLOURS = 6;
const NEAR = 30;
const SHAPES = [
  "M-4.5,0A4.5,4.5 0 1 1 4.5,0A4.5,4.5 0 1 1 -4.5,0Z",
  "M-4,-4H4V4H-4Z",
  "M0,-5L5,4H-5Z",
  "M0,-5.5L5.5,0L0,5.5L-5.5,0Z",
  "M-5,-4H5L0,5Z",
];

const section = document.getElementById("figures");
const plots = section.querySelector("[data-plots]");
// The files that each figure can be had as, where the service draws it too.
const forms = section.dataset.forms?.split(" ") ?? [];
let figures = [];

export async function showFigures() {
  try {
    const response = await fetch(section.dataset.figures, { headers: { Accept: "application/json" } });
    if (!response.ok) return;
    figures = (await response.json()).figures;
  } catch {
    // What is drawn stays; the page says by itself that the server does not answer.
    return;
  }
  section.hidden = figures.length === 0;
  for (const figure of figures) {
    if (!document.getElementById(`figure-${figure.name}`)) plots.append(place(figure));
  }
  paint();
}

function place(figure) {
  const node = document.createElement("figure");
  node.id = `figure-${figure.name}`;
  node.className = "plot";
  const caption = document.createElement("figcaption");
  caption.append(`${figure.title} `, ...forms.map((form) => link(figure, form)));
  node.append(caption);
  return node;
}

function link(figure, form) {
  const anchor = document.createElement("a");
  anchor.href = `${section.dataset.figures}/${encodeURIComponent(figure.name)}?format=${form}`;
  anchor.textContent = form.toUpperCase();
  return anchor;
}

function paint() {
  for (const figure of figures) {
    const node = document.getElementById(`figure-${figure.name}`);
    if (figure.kind === "map") paintMap(node, figure);
    else paintChart(node, figure);
  }
}

// Replace a part of a figure by its class, and give the focus back to what stands for what had it.
function put(node, part) {
  const old = node.querySelector(`:scope > .${part.classList[0]}`);
  const focused = old?.contains(document.activeElement) && document.activeElement.dataset.curve;
  if (old) old.replaceWith(part);
  else node.append(part);
  if (typeof focused === "string") {
    [...part.querySelectorAll("[data-curve]")].find((one) => one.dataset.curve === focused)?.focus();
  }
}

function paintMap(node, figure) {
  const known = figure.values.flat().filter((value) => value !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const table = document.createElement("table");
  const head = table.createTHead().insertRow();
  head.append(headed("col", `${figure.y} ↓  ${figure.x} →`), ...figure.columns.map((name) => headed("col", name)));
  const body = table.createTBody();
  figure.rows.forEach((name, i) => {
    const row = body.insertRow();
    row.append(headed("row", name));
    for (const value of figure.values[i]) {
      const cell = row.insertCell();
      cell.textContent = value === null ? "–" : value.toFixed(2);
      if (value !== null) cell.dataset.heat = Math.round((5 * (value - low)) / (high - low || 1));
    }
  });
  const scroll = document.createElement("div");
  scroll.className = "heat";
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "group");
  scroll.setAttribute("aria-label", figure.title);
  scroll.append(table);
  put(node, scroll);
}

function headed(scope, text) {
  const cell = document.createElement("th");
  cell.scope = scope;
  cell.textContent = text;
  return cell;
}

function paintChart(node, figure) {
  if (!node.querySelector(".readout")) {
    const svg = element("svg", { class: "canvas", role: "group", "aria-label": figure.title });
    const readout = document.createElement("p");
    readout.className = "readout";
    readout.setAttribute("role", "status");
    node.append(svg, readout);
    svg.addEventListener("pointermove", (event) => tellNearest(node, event));
    svg.addEventListener("pointerleave", () => tell(node, null));
  }
  drawCurves(node, figure);
  put(node, legend(figure));
}

function legend(figure) {
  const list = document.createElement("ul");
  list.className = "legend";
  const without = hidden(figure.name);
  figure.curves.forEach((curve, number) => {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.curve = curve.name;
    button.dataset.colour = curve.level ? "level" : number % COLOURS;
    button.setAttribute("aria-pressed", String(!without.has(curve.name)));
    button.title = "show or hide";
    const swatch = element("svg", { class: "swatch", viewBox: "0 0 24 12", "aria-hidden": "true" });
    swatch.append(element("line", { class: dashed(number, curve), x1: 0, x2: 24, y1: 6, y2: 6 }));
    if (!curve.level) swatch.append(marker(12, 6, number));
    button.append(swatch, curve.name);
    button.addEventListener("click", () => {
      toggle(figure.name, curve.name);
      paintChart(document.getElementById(`figure-${figure.name}`), figure);
    });
    const item = document.createElement("li");
    item.append(button);
    list.append(item);
  });
  return list;
}

// Lines after the first round of colours are dashed.
const dashed = (number, curve) => (curve.level || number >= COLOURS ? "dashed" : "whole");

function marker(x, y, number) {
  return element("path", { d: SHAPES[number % SHAPES.length], transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})` });
}

function drawCurves(node, figure) {
  const svg = node.querySelector(".canvas");
  const { width, height } = svg.getBoundingClientRect();
  const without = hidden(figure.name);
  const curves = figure.curves.map((curve, number) => ({ ...curve, number })).filter((one) => !without.has(one.name));
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  if (!width || !curves.length) {
    svg.replaceChildren();
    node.marks = [];
    return;
  }
  const all = figure.curves.filter((curve) => !curve.level || figure.curves.every((one) => one.level));
  const xs = ticks(...range(all.flatMap((curve) => curve.points.map((point) => point.x))), width < 480 ? 3 : 6);
  const ys = ticks(
    ...range(
      curves.flatMap((curve) => curve.points.flatMap(({ y, std }) => [y - (std ?? 0), y + (std ?? 0)])),
    ),
    5,
  );
  const scale = (values, from, to) => (value) =>
    from + ((value - values[0]) / (values.at(-1) - values[0])) * (to - from);
  const x = scale(xs, MARGIN.left, width - MARGIN.right);
  const y = scale(ys, height - MARGIN.bottom, MARGIN.top);

  const parts = [];
  for (const value of ys) {
    parts.push(element("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(value), y2: y(value) }));
    parts.push(element("text", { x: MARGIN.left - 8, y: y(value) + 4, "text-anchor": "end" }, String(value)));
  }
  for (const value of xs) {
    parts.push(element("text", { x: x(value), y: height - MARGIN.bottom + 18, "text-anchor": "middle" }, String(value)));
  }
  parts.push(element("text", { x: (MARGIN.left + width - MARGIN.right) / 2, y: height - 4, "text-anchor": "middle" }, figure.x));
  node.marks = curves.flatMap((curve) => {
    const name = curve.name;
    if (curve.level) {
      const [{ y: value, std }] = curve.points;
      return [{ name, cx: null, cy: y(value), text: `${name}: ${said(value, std)}` }];
    }
    return curve.points.map((point) => ({
      name,
      cx: x(point.x),
      cy: y(point.y),
      text: `${name}: ${said(point.y, point.std)} at ${short(point.x)} ${figure.x}`,
    }));
  });
  for (const curve of curves) parts.push(drawCurve(node, curve, y, width));
  parts.push(element("circle", { class: "looked", r: 9, visibility: "hidden" }));
  const focused = svg.contains(document.activeElement) ? document.activeElement.dataset.curve : undefined;
  svg.replaceChildren(...parts);
  if (focused !== undefined) [...svg.querySelectorAll("[data-curve]")].find((one) => one.dataset.curve === focused)?.focus();
}

function drawCurve(node, curve, y, width) {
  const marks = node.marks.filter((mark) => mark.name === curve.name);
  const group = element("g", {
    class: "curve",
    tabindex: 0,
    role: "img",
    "data-curve": curve.name,
    "data-colour": curve.level ? "level" : curve.number % COLOURS,
    "aria-label": marks.map((mark) => mark.text).join("; "),
  });
  if (curve.level) {
    const { cy } = marks[0];
    group.append(element("line", { class: "dashed", x1: MARGIN.left, x2: width - MARGIN.right, y1: cy, y2: cy }));
  } else {
    const points = marks.map((mark) => `${mark.cx.toFixed(1)},${mark.cy.toFixed(1)}`).join(" ");
    group.append(element("polyline", { class: dashed(curve.number, curve), points }));
    curve.points.forEach((point, i) => {
      const { cx, cy } = marks[i];
      if (point.std) group.append(element("line", { class: "error", x1: cx, x2: cx, y1: y(point.y - point.std), y2: y(point.y + point.std) }));
      if (curve.points.length < 12) group.append(marker(cx, cy, curve.number));
    });
  }
  let looked = marks.length - 1;
  group.addEventListener("focus", () => tell(node, marks[looked]));
  group.addEventListener("blur", () => tell(node, null));
  group.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    looked = Math.min(Math.max(looked + step, 0), marks.length - 1);
    tell(node, marks[looked]);
  });
  return group;
}

function tellNearest(node, event) {
  const box = event.currentTarget.getBoundingClientRect();
  const [px, py] = [event.clientX - box.left, event.clientY - box.top];
  const distance = (mark) => Math.hypot(mark.cx === null ? 0 : mark.cx - px, mark.cy - py);
  const nearest = node.marks.reduce((a, b) => (a && distance(a) <= distance(b) ? a : b), null);
  tell(node, nearest && distance(nearest) < NEAR ? nearest : null);
}

function tell(node, mark) {
  const readout = node.querySelector(".readout");
  const ring = node.querySelector(".looked");
  if (readout.textContent !== (mark?.text ?? "")) readout.textContent = mark?.text ?? "";
  if (!ring) return;
  ring.setAttribute("visibility", mark && mark.cx !== null ? "visible" : "hidden");
  ring.setAttribute("cx", mark?.cx ?? 0);
  ring.setAttribute("cy", mark?.cy ?? 0);
}

function range(values) {
  return [Math.min(...values), Math.max(...values)];
}

const short = (value) => String(Number(value.toPrecision(4)));
// A loss near its end is all behind the point.
const digits = (value) => (Math.abs(value) < 1 ? 4 : 2);
const said = (value, std) => value.toFixed(digits(value)) + (std === null ? "" : ` ± ${std.toFixed(2)}`);

new ResizeObserver(paint).observe(plots);
