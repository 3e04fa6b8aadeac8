// A square to draw a digit on, with mouse, finger or pen: white on black, as the data set's images are.

import { hold } from "./triplet-side.js";

/** Share of the side that a stroke is wide. */
const STROKE = 0.085;

export class Pad {
  constructor(canvas) {
    this.canvas = canvas;
    this.paper = canvas.getContext("2d");
    this.clear();
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      hold(canvas, event);
      this.last = this.at(event);
      this.stroke(this.last); // a dot, if nothing follows
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.last) return;
      // A browser gathers moves that come faster than it paints.
      const moves = event.getCoalescedEvents?.() ?? [];
      (moves.length ? moves : [event]).forEach((move) => this.stroke(this.at(move)));
    });
    ["pointerup", "pointercancel"].forEach((kind) => canvas.addEventListener(kind, () => (this.last = null)));
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    const scale = this.canvas.width / box.width;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  }

  stroke(to) {
    const { paper } = this;
    paper.strokeStyle = "#fff"; // the data set's own colours, whatever the page's are
    paper.lineWidth = STROKE * this.canvas.width;
    paper.lineCap = paper.lineJoin = "round";
    paper.beginPath();
    paper.moveTo(...this.last);
    paper.lineTo(...to);
    paper.stroke();
    this.last = to;
  }

  clear() {
    this.paper.fillStyle = "#000";
    this.paper.fillRect(0, 0, this.canvas.width, this.canvas.height);
  }

  /** The drawing as a PNG. */
  file() {
    return new Promise((done) => this.canvas.toBlob(done, "image/png"));
  }
}
