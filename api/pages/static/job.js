// A job's page: its state is kept current, its curves and its log come from the event stream.
import "./actions.js";
import "./again.js";
import { draw } from "./chart.js";
import { tellLevels } from "./levels.js";
import { keepCurrent, refresh } from "./live.js";
import "./steer.js";

const LOG_LINES = 500;
const ENDED = new Set(["succeeded", "failed", "cancelled"]);

const section = document.getElementById("curves");
const log = document.getElementById("log");
const follow = document.getElementById("follow");
const body = document.querySelector("#trainings tbody");
const trainings = new Map();
const lines = [];
let latest = null;
let looked = null;
let drawing = false;
let following = true;

const percent = (share) => `${(share * 100).toFixed(2)} %`;

function epoch(data) {
  const { training } = data;
  if (!trainings.has(training)) trainings.set(training, new Map());
  // A resumed attempt may tell an epoch again.
  trainings.get(training).set(data.epoch, data);
  latest = training;
}

function say(text) {
  lines.push(...text.replace(/\n$/, "").split("\n"));
  if (lines.length > LOG_LINES) lines.splice(0, lines.length - LOG_LINES);
}

function paint() {
  drawing = false;
  const text = lines.join("\n");
  if (following && log.textContent !== text) {
    log.textContent = text;
    log.scrollTop = log.scrollHeight;
  }
  section.hidden = trainings.size === 0;
  const current = looked ?? latest;
  const series = (value) =>
    [...trainings].map(([name, epochs]) => ({
      current: name === current,
      points: [...epochs.values()].sort((a, b) => a.epoch - b.epoch).map((one) => [one.epoch, value(one)]),
    }));
  draw(document.getElementById("accuracy"), series((one) => (100 * one.correct) / one.total));
  draw(document.getElementById("loss"), series((one) => one.train_loss));
  tellLevels(trainings);
  for (const [name, epochs] of trainings) tell(name, [...epochs.values()], name === current);
}

// The newest training stands first: it is the one that still changes.
function tell(name, epochs, current) {
  const id = `training-${name}`;
  let row = document.getElementById(id);
  if (!row) {
    row = body.insertRow(0);
    row.id = id;
    row.addEventListener("pointerenter", () => look(name));
    row.addEventListener("pointerleave", () => look(null));
    for (let i = 0; i < 6; i += 1) row.insertCell().className = i ? "n" : "";
  }
  row.className = current ? "current" : "";
  const last = epochs.reduce((a, b) => (b.epoch > a.epoch ? b : a));
  const best = epochs.reduce((a, b) => (b.correct > a.correct ? b : a));
  const values = [
    name,
    last.epoch,
    percent(last.correct / last.total),
    percent(best.correct / best.total),
    last.train_loss.toFixed(4),
    last.test_loss.toFixed(4),
  ];
  values.forEach((value, i) => {
    if (row.cells[i].textContent !== String(value)) row.cells[i].textContent = value;
  });
}

function look(name) {
  looked = name;
  repaint();
}

function repaint() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(paint);
}

// Paused, the log stands still, so that it can be read, or its words selected, while more arrive.
function pause(paused) {
  following = !paused;
  follow.textContent = paused ? "Paused: follow" : "Following";
  follow.setAttribute("aria-pressed", String(following));
  repaint();
}

// What has ended says no more.
follow.hidden = document.querySelector("[data-still]") !== null;
follow.addEventListener("click", () => pause(following));
log.addEventListener("scroll", () => {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 24;
  if (following !== atEnd) pause(!atEnd);
});

const stream = new EventSource(section.dataset.events);
const on = (kind, take) =>
  stream.addEventListener(kind, (event) => {
    take(JSON.parse(event.data));
    repaint();
  });
on("epoch", epoch);
on("log", (data) => say(data.text));
on("state", (data) => {
  if (!ENDED.has(data.state)) return;
  stream.close();
  if (!document.querySelector("[data-still]")) refresh();
});

new ResizeObserver(repaint).observe(section);
keepCurrent();
