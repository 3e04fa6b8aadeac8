// Moves what follows from a threshold while it is dragged: the same arithmetic as the server's, on the same probabilities.

import { base } from "./address.js";

/** The form of the operating point. When the hand lets go, `settle` has the server say the same, so that the address names it. */
export class Dial {
  #form;
  #answers = null;
  #outputs;

  constructor(form, settle) {
    this.#form = form;
    const part = form.closest("section");
    this.#outputs = new Map([...part.querySelectorAll("[data-out]")].map((output) => [output.dataset.out, output]));
    const slider = form.elements.threshold;
    for (const kind of ["pointerdown", "focus", "input"]) slider.addEventListener(kind, () => this.#fetch());
    slider.addEventListener("input", () => this.#move());
    slider.addEventListener("change", () => settle(form));
    for (const name of ["miss", "alarm"]) {
      // Another price has another best threshold: the one that is set goes with the old one where it was the best.
      form.elements[name].addEventListener("change", () => {
        if (Math.abs(Number(slider.value) - Number(form.dataset.chosen)) < 5e-10) slider.disabled = true;
        settle(form);
      });
    }
    form.elements.of.addEventListener("change", () => (slider.disabled = true), { capture: true });
  }

  /** Fetches the probabilities once, when they are first needed. */
  #fetch() {
    this.#answers ??= this.#load().catch(() => null);
    return this.#answers;
  }

  async #load() {
    const { run, split } = this.#form.dataset;
    const answer = await fetch(`${base}/api/v1/runs/${run}/predictions.csv?split=${split}`);
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    const lines = (await answer.text()).trim().split("\r\n").slice(1);
    return lines.map((line) => {
      const [, label, , ...probabilities] = line.split(",").map(Number);
      return { label, probabilities: probabilities.map(Math.fround) };
    });
  }

  async #move() {
    const slider = this.#form.elements.threshold;
    slider.value = Number(slider.value).toFixed(3); // a hand is no finer, and the address is shorter
    this.#say("threshold", Number(slider.value).toFixed(3));
    const answers = await this.#fetch();
    if (!answers || !slider.isConnected) return;
    const classes = this.#form.dataset.classes.split(",").map(Number);
    const decided = decide(answers, classes, Number(slider.value));
    const costs = { miss: Number(this.#form.elements.miss.value), alarm: Number(this.#form.elements.alarm.value) };
    const found = judge(decided, classes, costs);
    for (const name of ["hits", "misses", "false_alarms", "rejections"]) this.#say(name, String(found[name]));
    for (const name of ["recall", "precision", "accuracy", "balanced"]) this.#say(name, fixed(found[name], 3));
    for (const name of ["alarms", "cost"]) this.#say(name, fixed(found[name], 1));
    this.#fill(found.matrix);
    this.#form.dataset.counted = slider.value;
  }

  #say(name, text) {
    const output = this.#outputs.get(name);
    if (output) output.textContent = text;
  }

  /** Counts, and the colours of their shares of the rows. */
  #fill(matrix) {
    const rows = this.#form.closest("section").querySelector(".seven tbody").rows;
    matrix.forEach((counts, label) => {
      const whole = Math.max(1, counts.reduce((sum, count) => sum + count, 0));
      counts.forEach((count, said) => {
        const cell = rows[label].cells[said + 1];
        const level = Math.round((count / whole) * LEVELS);
        cell.className = `figure-level-${level}${label === said ? " right" : ""}`;
        cell.firstElementChild.className = `figure-on-${level < FIRST_HIGH ? "low" : "high"}`;
        cell.firstElementChild.textContent = String(count);
      });
    });
  }
}

/** With so many decimals; exactly between two, the even one, as the server writes it: then the value is an odd number of halves of 2^-decimals. */
function fixed(value, decimals) {
  const isTie = (value * 2 ** (decimals + 1)) % 2 === 1;
  if (!isTie) return value.toFixed(decimals);
  const lower = Math.floor(value * 10 ** decimals);
  return ((lower + (lower % 2)) / 10 ** decimals).toFixed(decimals);
}

/** The last step of the sequential scale, and the first on which white is written. */
const LEVELS = 24;
const FIRST_HIGH = 16;

/** From the threshold on for the most probable of `classes`, below it for the most probable of the others; [label, said] of each answer. */
export function decide(answers, classes, threshold) {
  const isOf = (label) => classes.includes(label);
  return answers.map(({ label, probabilities }) => {
    const probability = classes.reduce((sum, one) => Math.fround(sum + probabilities[one]), 0);
    const yes = probability >= threshold;
    let said = -1;
    probabilities.forEach((value, at) => {
      if (isOf(at) === yes && (said < 0 || value > probabilities[said])) said = at;
    });
    return [label, said];
  });
}

/** What comes of decisions. A ratio with a zero denominator is 0. */
export function judge(decided, classes, costs) {
  const count = 1 + decided.reduce((most, pair) => Math.max(most, ...pair), 6);
  const matrix = Array.from({ length: count }, () => new Array(count).fill(0));
  decided.forEach(([label, said]) => matrix[label][said]++);
  const ratio = (part, whole) => (whole ? part / whole : 0);
  const sum = (isTrue, isSaid) =>
    matrix.reduce((all, row, label) => all + (classes.includes(label) === isTrue ? row.reduce((part, n, said) => part + (classes.includes(said) === isSaid ? n : 0), 0) : 0), 0);
  const [hits, misses, false_alarms, rejections] = [sum(true, true), sum(true, false), sum(false, true), sum(false, false)];
  const n = decided.length;
  const right = matrix.reduce((all, row, label) => all + row[label], 0);
  const supports = matrix.map((row) => row.reduce((all, one) => all + one, 0));
  const recalls = matrix.map((row, label) => ratio(row[label], supports[label])).filter((_, label) => supports[label]);
  return {
    hits, misses, false_alarms, rejections, matrix,
    recall: ratio(hits, hits + misses),
    precision: ratio(hits, hits + false_alarms),
    alarms: ratio(100 * false_alarms, n),
    cost: ratio(100 * (costs.miss * misses + costs.alarm * false_alarms), n),
    accuracy: ratio(right, n),
    balanced: ratio(recalls.reduce((all, one) => all + one, 0), recalls.length),
  };
}
