// Live curves of one or several runs: drawn by uPlot in the place of the server's drawing, fed by server-sent events from where the page
// ends. The server's drawing, its table and its files stay for those who want them, and for a page without scripts.

import { base } from "./address.js";
import uPlot from "./uPlot.esm.js";

const page = document.querySelector("[data-runs]");
const ids = page.dataset.runs.split(",").filter(Boolean);
const names = page.dataset.names.split("\n");
const single = page.querySelector("#state") !== null;
const style = getComputedStyle(document.documentElement);

/** Points of a curve that are asked for: a longer one comes thinned, with its extremes, as in the server's drawing. */
const MOST_POINTS = 1000;
/** What each run has said: by run, metric and split, points by step: {epoch, step, value}. */
const runs = new Map(ids.map((id, place) => [id, { name: names[place], series: new Map() }]));
const charts = new Map();
const controls = page.querySelector(".controls");
const view = { smoothing: 0, axis: "epoch", scale: "linear", split: "all" };

readControls();
controls?.addEventListener("input", () => {
  readControls();
  keepInAddress();
  drawSoon();
});
controls?.addEventListener("submit", (event) => event.preventDefault());
// A light or dark look chosen by the system changes the ink.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => rebuild());
addEventListener("resize", () => charts.forEach(({ plot, place }) => plot.setSize(sizeOf(place))));

await Promise.all(ids.map(load));
draw();
if (single) follow(ids[0]);
else look();

// --- Data ----------------------------------------------------------------------------------------------------

async function load(id) {
  const response = await fetch(`${base}/api/v1/runs/${id}/metrics?points=${MOST_POINTS}`);
  if (!response.ok) return;
  const { series } = await response.json();
  runs.get(id).series.clear(); // of a curve that grew other points may be left
  for (const { name, split, points, steps } of series) {
    points.forEach(([epoch, value], place) => add(id, name, split, { epoch, step: steps[place], value }));
  }
}

function add(id, metric, split, point) {
  const { series } = runs.get(id);
  const key = `${metric} ${split}`;
  if (!series.has(key)) series.set(key, { metric, split, points: new Map() });
  series.get(key).points.set(point.step, point); // a resumed run says again what came after its checkpoint
}

/**
 * From the event that the page ends with; the browser reconnects by itself and says which event it heard last. A page in the background
 * lets go of its connection, since a browser has but six to a server for all its pages, and goes on later from the same event.
 */
function follow(id, after = page.dataset.after) {
  let last = after;
  const events = new EventSource(`${base}/api/v1/runs/${id}/events?after=${after}`);
  const hear = (name, act) =>
    events.addEventListener(name, (event) => {
      last = event.lastEventId;
      act(JSON.parse(event.data));
    });
  hear("metric", ({ name, split, epoch, step, value }) => {
    const isNew = !page.querySelector(`.chart[data-metric="${name}"]`);
    add(id, name, split, { epoch, step, value });
    if (isNew) refresh("#curves").then(rebuild);
    drawSoon();
  });
  hear("progress", progress);
  hear("log", log);
  hear("checkpoint", () => {});
  hear("state", () => refresh("#head"));
  const rest = () => {
    if (!document.hidden) return;
    events.close();
    document.removeEventListener("visibilitychange", rest);
    document.addEventListener("visibilitychange", () => follow(id, last), { once: true });
  };
  document.addEventListener("visibilitychange", rest);
  hear("end", () => {
    events.close();
    document.removeEventListener("visibilitychange", rest);
    refresh("#head", "#results", ".chart figcaption", ".chart details");
  });
}

/** Several runs are looked at again every few seconds, those that move: a connection to each would be too many. */
async function look() {
  const moving = ids.filter((_, place) => page.dataset.moving.split(",")[place] === "true");
  if (!moving.length) return;
  await new Promise((done) => setTimeout(done, 2000));
  if (document.hidden) await new Promise((done) => document.addEventListener("visibilitychange", done, { once: true }));
  await Promise.all(moving.map((id) => load(id).catch(() => {})));
  drawSoon();
  await refresh("#results");
  look();
}

// --- The rest of the page ------------------------------------------------------------------------------------

function progress({ epoch, epochs, step, steps, eta_s, examples_per_s }) {
  const bar = page.querySelector("#bar");
  bar.max = steps;
  bar.value = step;
  const number = (value) => new Intl.NumberFormat(document.documentElement.lang).format(value);
  const pattern = page.dataset.progress.replace("EPOCHS", number(epochs)).replace("EPOCH", number(epoch)).replace("PACE", number(Math.round(examples_per_s)));
  const left = eta_s === null ? "" : ` · ${page.dataset.left.replace("LEFT", number(Math.ceil(eta_s)))}`;
  page.querySelector("#progress-text").textContent = pattern + left;
}

function log({ number, at, message }) {
  const list = page.querySelector("#log-lines");
  if (list.querySelector(`[data-number="${number}"]`)) return;
  const atEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 4;
  const line = document.createElement("li");
  line.dataset.number = number;
  const time = document.createElement("time");
  time.textContent = at.slice(11, 19);
  line.append(time, ` ${message}`);
  list.append(line);
  if (atEnd) list.scrollTop = list.scrollHeight;
}

/** Takes parts of the page as the server has them now. */
async function refresh(...selectors) {
  try {
    const response = await fetch(location.href, { headers: { accept: "text/html" } });
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    for (const selector of selectors) {
      const [here, there] = [page.querySelectorAll(selector), fresh.querySelectorAll(selector)];
      if (here.length === there.length) here.forEach((element, place) => element.replaceWith(document.adoptNode(there[place])));
    }
  } catch {
    // The server is away for a moment; a reload tells.
  }
}

// --- Drawing -------------------------------------------------------------------------------------------------

function readControls() {
  if (!controls) return;
  view.smoothing = Number(controls.elements.smoothing.value);
  view.axis = controls.elements.axis.value;
  view.scale = controls.elements.scale.value;
  view.split = controls.elements.split?.value ?? "all";
}

function keepInAddress() {
  const parameters = new URLSearchParams(location.search);
  const usual = { smoothing: "0", axis: "epoch", scale: "linear", split: "validation" };
  for (const [name, value] of new FormData(controls)) {
    if (name === "run") continue;
    if (value === usual[name]) parameters.delete(name);
    else parameters.set(name, value);
  }
  const query = parameters.toString();
  history.replaceState(null, "", `${location.pathname}${query && `?${query}`}${location.hash}`);
}

let waiting = false;

/** At most once a frame, however fast events come. */
function drawSoon() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    draw();
  });
}

function rebuild() {
  charts.forEach(({ plot }) => plot.destroy());
  charts.clear();
  draw();
}

function draw() {
  for (const figure of page.querySelectorAll(".chart")) {
    const lines = linesOf(figure.dataset.metric);
    if (!lines.length) continue;
    const data = uPlot.join(lines.map(({ x, y }) => [x, y]));
    const key = JSON.stringify([lines.map(({ label }) => label), view.scale, view.axis]);
    figure.querySelector(".live").dataset.points = data[0].length;
    const chart = charts.get(figure.dataset.metric);
    if (chart?.key === key && chart.place.isConnected) {
      chart.plot.setData(data);
    } else {
      chart?.plot.destroy();
      charts.set(figure.dataset.metric, { ...plotOf(figure, lines, data), key });
    }
  }
}

function linesOf(metric) {
  const lines = [];
  for (const { name, series } of runs.values()) {
    const all = [...series.values()].filter((each) => each.metric === metric);
    const chosen = all.filter(({ split }) => view.split === "all" || split === view.split);
    for (const { split, points } of chosen.length ? chosen : all) {
      const ordered = [...points.values()].sort((a, b) => a.step - b.step);
      const label = single ? page.dataset[split] : `${name} · ${page.dataset[split]}`;
      lines.push({ label, x: ordered.map((point) => point[view.axis]), y: smooth(ordered.map(({ value }) => value), view.smoothing) });
    }
  }
  return lines;
}

/** The exponential moving average without bias that the server draws too. */
function smooth(values, weight) {
  let average = 0;
  let remaining = 1;
  return values.map((value) => {
    average = weight * average + (1 - weight) * value;
    remaining *= weight;
    return average / (1 - remaining);
  });
}

function plotOf(figure, lines, data) {
  const place = figure.querySelector(".live");
  place.hidden = false;
  figure.querySelector(".drawn").hidden = true;
  place.replaceChildren();
  const token = (name) => style.getPropertyValue(name).trim();
  const font = `12px ${token("--sans")}`;
  const axis = { stroke: token("--ink-soft"), font, labelFont: font, labelSize: 18, grid: { stroke: token("--line"), width: 1 }, ticks: { stroke: token("--line"), width: 1 } };
  const positive = data.slice(1).every((values) => values.every((value) => value == null || value > 0));
  const format = (value) => (value == null ? "–" : Math.abs(value) < 1e-3 && value !== 0 ? value.toExponential(2) : value.toFixed(4));
  const options = {
    ...sizeOf(place),
    scales: { x: { time: false }, y: view.scale === "log" && positive ? { distr: 3 } : {} },
    axes: [{ ...axis, label: page.dataset[view.axis], incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5] }, { ...axis, size: 72, values: (_, splits) => splits.map(tick(splits)) }],
    cursor: { sync: { key: "curves" }, drag: { x: true, y: false } },
    legend: { live: true },
    series: [
      { label: page.dataset[view.axis] },
      ...lines.map(({ label, x }, place) => ({
        label,
        stroke: token(`--series-${(place % 8) + 1}`),
        dash: [[], [6, 4], [2, 3], [8, 3, 2, 3]][Math.floor(place / 2) % 4],
        width: 2,
        spanGaps: true,
        points: { show: x.length <= 40 },
        value: (_, value) => format(value),
      })),
    ],
  };
  const plot = new uPlot(options, data, place);
  enliven(plot, figure);
  return { plot, place };
}

/** What a pointer does to a curve by dragging and clicking, by keys and by buttons too: a stretch is looked at, a line is hidden. */
function enliven(plot, figure) {
  const drawing = plot.root.querySelector(".u-wrap");
  drawing.tabIndex = 0;
  drawing.setAttribute("role", "application");
  drawing.setAttribute("aria-label", figure.querySelector("h3").textContent);
  drawing.setAttribute("aria-description", `${figure.querySelector(".reading").textContent} ${page.dataset.keys}`);
  drawing.addEventListener("keydown", (event) => {
    const how = KEYS[event.key];
    if (!how || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    lookAt(plot, how);
  });
  figure.querySelectorAll("[data-look]").forEach((button) => (button.onclick = () => lookAt(plot, button.dataset.look)));
  [...plot.root.querySelectorAll(".u-legend .u-label")].slice(1).forEach((label, place) => {
    label.tabIndex = 0;
    label.setAttribute("role", "button");
    const tell = () => label.setAttribute("aria-pressed", String(plot.series[place + 1].show));
    tell();
    label.parentElement.addEventListener("click", tell); // after uPlot's own, which hides the line or shows it
    label.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      label.click();
    });
  });
}

const KEYS = { "+": "in", "=": "in", "-": "out", 0: "all", ArrowLeft: "back", ArrowRight: "on" };
/** What the ends of the stretch move by, in shares of it. */
const MOVES = { in: [0.2, -0.2], out: [-0.33, 0.33], back: [-0.25, -0.25], on: [0.25, 0.25] };

/** Shows another stretch of the horizontal axis, or all of it. */
function lookAt(plot, how) {
  const { min, max } = plot.scales.x;
  const [first, last] = [plot.data[0][0], plot.data[0].at(-1)];
  const seen = plot.root.parentElement.dataset; // says which stretch that is
  if (how === "all" || !(last > first)) {
    delete seen.stretch;
    plot.setData(plot.data);
    return;
  }
  let [from, to] = MOVES[how].map((share) => share * (max - min));
  if (from === to) from = to = Math.max(first - min, Math.min(last - max, from)); // moved no further than there is something
  [from, to] = [Math.max(first, min + from), Math.min(last, max + to)];
  seen.stretch = `${from} ${to}`;
  plot.setScale("x", { min: from, max: to });
}

/** As many digits as tell one tick from the next. */
function tick(splits) {
  const known = splits.filter((value) => value != null);
  const step = known.length > 1 ? Math.abs(known[1] - known[0]) : Math.abs(known[0] || 1);
  const digits = Math.max(0, Math.min(8, Math.ceil(-Math.log10(step)) + 1));
  return (value) => {
    if (value == null) return "";
    if (view.scale === "log" || (value !== 0 && Math.abs(value) < 1e-3)) return String(Number(value.toPrecision(3)));
    return String(Number(value.toFixed(digits)));
  };
}

function sizeOf(place) {
  return { width: Math.max(240, place.clientWidth), height: 280 };
}
