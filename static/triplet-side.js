// One map: follows it while it unfolds, shows any of its frames, and turns what is done with pointer and keys into looking, picking and choosing.

import { base } from "./address.js";
import { Scatter } from "./scatter.js";

/** Milliseconds that a frame is shown while a map is played. */
const BEAT = 140;
/** From one frame to the next points glide, where the reader's system does not ask for less motion. */
const STILL = matchMedia("(prefers-reduced-motion: reduce)");
/** CSS pixels that a press may wander and still be a click. */
const STEADY = 4;
/** CSS pixels from a lasso's first corner at which a click closes it. */
const NEAR = 12;

export class Side {
  /** `atlas`: what both maps share. */
  constructor(figure, atlas) {
    this.figure = figure;
    this.atlas = atlas;
    this.stage = figure.dataset.stage;
    this.canvas = figure.querySelector(".points");
    this.marks = figure.querySelector(".marks");
    this.range = figure.querySelector("input[type=range]");
    this.button = figure.querySelector(".play");
    this.output = figure.querySelector("output");
    this.bar = figure.querySelector("progress");
    this.status = figure.querySelector("[role=status]");
    this.frames = [];
    this.isFollowing = true; // the last frame is shown as it comes
    this.isMoved = false; // the reader has chosen what is seen
    this.path = null; // of the lasso that is drawn
    this.corners = []; // of the lasso that is put down corner by corner, in the map's own units
    this.fingers = new Map(); // that touch the map, and where
    this.scatter = new Scatter(this.canvas);
    this.scatter.after = () => this.mark();
    this.listen();
    this.follow();
  }

  follow() {
    const address = `${base}/api/v1/runs/${this.atlas.run}/projection/events?${this.atlas.query}&stage=${this.stage}&lang=${document.documentElement.lang}`;
    const source = new EventSource(address);
    const on = (kind, act) => source.addEventListener(kind, (event) => act(JSON.parse(event.data)));
    on("labels", (told) => {
      this.frames = []; // a connection that broke is told everything again
      this.atlas.labelled(bytes(told.labels));
    });
    on("progress", (standing) => this.tell(standing));
    on("frame", (frame) => this.add({ iteration: frame.iteration, places: new Float32Array(bytes(frame.places).buffer) }));
    on("end", (standing) => {
      source.close();
      if (STILL.matches && this.isFollowing) this.show(this.frames.length - 1);
      this.tell(standing);
      if (standing.phase === "done") this.atlas.finished(this);
    });
    source.onerror = async () => {
      if (source.readyState !== EventSource.CLOSED) return;
      const answer = await fetch(address, {
        headers: { accept: "application/json", "accept-language": document.documentElement.lang },
      });
      const problem = answer.ok ? {} : await answer.json().catch(() => ({}));
      if (!answer.ok) this.tell({ phase: "failed", reason: problem.detail ?? answer.status });
    };
  }

  /** Says how far the map is. */
  tell({ phase, share, eta_s: seconds, reason, iteration }) {
    const texts = this.atlas.texts;
    const parts = [texts[phase] ?? phase];
    if (reason) parts.push(reason);
    if (phase === "descent") parts.push(`${texts.iteration} ${iteration}`);
    if (seconds > 0.5) parts.push(texts.left.replace("SECONDS", Math.ceil(seconds)));
    this.figure.dataset.phase = phase;
    this.bar.value = phase === "done" ? 1 : (share ?? 0);
    const text = parts.join(phase === "failed" ? " " : " · ");
    if (this.status.textContent !== text) this.status.textContent = text;
  }

  add(frame) {
    this.frames.push(frame);
    this.range.max = this.frames.length - 1;
    this.range.disabled = this.button.disabled = this.frames.length < 2;
    if (!this.isFollowing || this.isWaiting || STILL.matches) return; // who asks for less motion sees the map when it is done
    this.isWaiting = true; // frames of a finished map come all at once, and only the last is to be seen
    requestAnimationFrame(() => {
      this.isWaiting = false;
      if (this.isFollowing) this.show(this.frames.length - 1, true);
    });
  }

  /** Shows a frame; `isNext`: gliding, where it is the one after that which is shown. */
  show(number, isNext = false) {
    const frame = this.frames[number];
    if (!frame) return;
    const isGliding = isNext && number === this.shown + 1 && !STILL.matches;
    this.shown = number;
    this.range.value = number;
    this.output.textContent = frame.iteration;
    const fit = () => this.isMoved || this.scatter.fit();
    if (isGliding) this.scatter.glide(frame.places, BEAT, fit);
    else {
      this.scatter.move(frame.places);
      fit();
    }
    this.figure.dataset.shown = number;
  }

  play() {
    const isPlaying = !this.timer;
    this.stop();
    if (!isPlaying) return;
    this.isFollowing = false;
    this.button.setAttribute("aria-pressed", "true");
    this.button.textContent = "❚❚";
    let next = this.shown >= this.frames.length - 1 ? 0 : this.shown + 1;
    this.timer = setInterval(() => {
      this.show(next++, true);
      if (next < this.frames.length) return;
      this.stop();
      this.isFollowing = true;
    }, BEAT);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.button.setAttribute("aria-pressed", "false");
    this.button.textContent = "▶";
  }

  listen() {
    this.button.addEventListener("click", () => this.play());
    this.range.addEventListener("input", () => {
      this.stop();
      this.isFollowing = Number(this.range.value) === this.frames.length - 1;
      this.show(Number(this.range.value));
    });
    this.figure.querySelectorAll("[data-zoom]").forEach((button) => button.addEventListener("click", () => this.zoom(button.dataset.zoom)));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    for (const kind of ["focus", "blur"]) this.canvas.addEventListener(kind, () => this.mark());
    this.canvas.addEventListener("blur", () => this.atlas.look(-1));
    this.canvas.addEventListener("dblclick", (event) => {
      if (this.atlas.isLassoing) return;
      this.isMoved = true;
      this.scatter.zoom(1.4, event.offsetX, event.offsetY);
    });
    this.canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.isMoved = true;
      this.scatter.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), event.offsetX, event.offsetY);
    }, { passive: false });
    this.canvas.addEventListener("pointerdown", (event) => this.press(event));
    this.canvas.addEventListener("pointermove", (event) => this.drag(event));
    this.canvas.addEventListener("pointerup", (event) => this.release(event));
    this.canvas.addEventListener("pointercancel", (event) => {
      this.fingers.delete(event.pointerId);
      this.held = this.path = null;
      this.mark();
    });
    this.canvas.addEventListener("pointerleave", () => this.atlas.look(-1));
  }

  zoom(how) {
    const [x, y] = this.middle();
    this.isMoved = how !== "fit";
    if (how === "fit") this.scatter.fit();
    else this.scatter.zoom(how === "in" ? 1.4 : 1 / 1.4, x, y);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = 40;
    const [x, y] = this.middle();
    const moves = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
    if (event.key === "+" || event.key === "=") this.zoom("in");
    else if (event.key === "-") this.zoom("out");
    else if (event.key === "0") this.zoom("fit");
    else if (event.key === "Escape") {
      if (this.corners.length) this.drop();
      else this.atlas.pick(-1);
    } else if (event.key === "Enter" && this.atlas.isLassoing) this.close();
    else if (event.key === " " && this.atlas.isLassoing) this.corner(x, y);
    else if (event.key === "Enter" || event.key === " ") this.atlas.pick(this.scatter.nearest(x, y));
    else if (moves[event.key]) {
      this.isMoved = true;
      this.scatter.pan(...moves[event.key]);
    } else return;
    event.preventDefault();
    this.atlas.look(event.key === "Escape" ? -1 : this.scatter.nearest(x, y), this, x, y);
  }

  /** What keys act on: the middle of what is seen, where a cross stands. */
  middle() {
    return [this.canvas.clientWidth / 2, this.canvas.clientHeight / 2];
  }

  /** Puts down the next corner of a lasso; one that meets the first closes it. */
  corner(x, y) {
    const [first] = this.corners.map((place) => this.scatter.onScreen(...place));
    if (this.corners.length > 2 && Math.hypot(x - first[0], y - first[1]) <= NEAR) this.close();
    else this.corners.push(this.scatter.place(x, y));
    this.mark();
  }

  close() {
    if (this.corners.length > 2) this.atlas.choose(this.scatter.inside(this.corners.map((place) => this.scatter.onScreen(...place))));
    this.drop();
  }

  drop() {
    this.corners = [];
    this.mark();
  }

  press(event) {
    if (event.button !== 0) return;
    hold(this.canvas, event);
    this.fingers.set(event.pointerId, [event.offsetX, event.offsetY]);
    if (this.fingers.size > 1) {
      this.held = this.path = null; // two fingers zoom
      this.mark();
      return;
    }
    this.held = { x: event.offsetX, y: event.offsetY, last: [event.offsetX, event.offsetY], isSteady: true };
    if (this.atlas.isLassoing || event.shiftKey) this.path = [[event.offsetX, event.offsetY]];
  }

  drag(event) {
    const [x, y] = [event.offsetX, event.offsetY];
    const held = this.held;
    if (this.fingers.size > 1) {
      this.pinch(event);
      return;
    }
    if (!held) {
      this.atlas.look(this.scatter.nearest(x, y), this, x, y);
      return;
    }
    if (Math.hypot(x - held.x, y - held.y) > STEADY) held.isSteady = false;
    if (this.path) {
      this.path.push([x, y]);
      this.mark();
    } else if (!held.isSteady) {
      this.isMoved = true;
      this.atlas.look(-1);
      this.scatter.pan(x - held.last[0], y - held.last[1]);
    }
    held.last = [x, y];
  }

  /** Zooms as two fingers part, about the middle between them, and pans as it moves. */
  pinch(event) {
    if (!this.fingers.has(event.pointerId)) return;
    const between = () => {
      const [[ax, ay], [bx, by]] = [...this.fingers.values()];
      return { x: (ax + bx) / 2, y: (ay + by) / 2, apart: Math.max(1, Math.hypot(ax - bx, ay - by)) };
    };
    const before = between();
    this.fingers.set(event.pointerId, [event.offsetX, event.offsetY]);
    const after = between();
    this.isMoved = true;
    this.scatter.pan(after.x - before.x, after.y - before.y);
    this.scatter.zoom(after.apart / before.apart, after.x, after.y);
  }

  release(event) {
    this.fingers.delete(event.pointerId);
    const { held, path } = this;
    this.held = this.path = null;
    if (held?.isSteady && this.atlas.isLassoing) this.corner(event.offsetX, event.offsetY);
    else if (path && path.length > 2) this.atlas.choose(this.scatter.inside(path));
    else if (held?.isSteady) this.atlas.pick(this.scatter.nearest(event.offsetX, event.offsetY));
    this.mark();
  }

  /** Moves to a point that is out of sight. */
  reveal(index) {
    if (index >= this.scatter.count) return;
    const [x, y] = this.scatter.seen(index);
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (x >= 0 && y >= 0 && x <= width && y <= height) return;
    this.isMoved = true;
    this.scatter.pan(width / 2 - x, height / 2 - y);
  }

  /** Draws what lies over the points: the lasso, the point that is looked at, the one that was picked with its neighbours, the reader's own. */
  mark() {
    const { marks, canvas, atlas, scatter } = this;
    const density = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(canvas.clientWidth * density), Math.round(canvas.clientHeight * density)];
    if (marks.width !== width || marks.height !== height) [marks.width, marks.height] = [width, height];
    const paper = marks.getContext("2d");
    paper.setTransform(density, 0, 0, density, 0, 0);
    paper.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
    paper.strokeStyle = paper.fillStyle = atlas.ink;
    if (this.path) {
      paper.setLineDash([4, 3]);
      trace(paper, this.path);
      paper.globalAlpha = 0.08;
      paper.fill();
      paper.globalAlpha = 1;
      paper.setLineDash([]);
    }
    this.cornered(paper);
    if (canvas.matches(":focus-visible")) {
      const [x, y] = this.middle();
      paper.lineWidth = 1;
      trace(paper, [[x - 7, y], [x + 7, y]]);
      trace(paper, [[x, y - 7], [x, y + 7]]);
    }
    if (!scatter.count) return;
    const onMap = (index) => index >= 0 && index < scatter.count;
    const { index, neighbours } = atlas.picked;
    if (onMap(index)) {
      const from = scatter.seen(index);
      paper.lineWidth = 1;
      for (const other of neighbours.filter(onMap)) {
        const to = scatter.seen(other);
        trace(paper, [from, to]);
        circle(paper, to, 6);
      }
      paper.lineWidth = 2;
      circle(paper, from, 8);
    }
    if (onMap(atlas.looked)) {
      paper.lineWidth = 1.5;
      circle(paper, scatter.seen(atlas.looked), 7);
    }
    if (this.place) {
      const [x, y] = scatter.onScreen(...this.place);
      paper.lineWidth = 2;
      trace(paper, [[x - 9, y], [x + 9, y]]);
      trace(paper, [[x, y - 9], [x, y + 9]]);
      circle(paper, [x, y], 5);
      paper.font = `600 13px ${atlas.face}`;
      paper.fillText(atlas.texts.yours, x + 12, y - 6);
    }
  }

  /** Draws the corners that were put down, and the line between them. */
  cornered(paper) {
    const places = this.corners.map((place) => this.scatter.onScreen(...place));
    if (!places.length) return;
    paper.lineWidth = 1;
    paper.setLineDash([4, 3]);
    trace(paper, places);
    paper.setLineDash([]);
    places.forEach((place) => circle(paper, place, 4));
  }
}

function trace(paper, places) {
  paper.beginPath();
  places.forEach(([x, y], number) => (number ? paper.lineTo(x, y) : paper.moveTo(x, y)));
  paper.stroke();
}

function circle(paper, [x, y], radius) {
  paper.beginPath();
  paper.arc(x, y, radius, 0, 2 * Math.PI);
  paper.stroke();
}

/** Lets a canvas hear of a pointer until it is released, wherever that goes. */
export function hold(canvas, event) {
  try {
    canvas.setPointerCapture(event.pointerId);
  } catch {
    // A pointer that a script made can't be captured, and need not be.
  }
}

/** What base64 stands for. */
export function bytes(text) {
  const letters = atob(text);
  const values = new Uint8Array(letters.length);
  for (let place = 0; place < letters.length; place++) values[place] = letters.charCodeAt(place);
  return values;
}
