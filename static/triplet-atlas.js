// Both maps of the page and what they share: colours, classes that are shown, the image that is looked at, the one that was picked, those that were
// chosen.

import { base } from "./address.js";
import { FADED, HIDDEN, RINGED } from "./scatter.js";
import { summarise } from "./triplet-reading.js";
import { Side, bytes } from "./triplet-side.js";

/** Images in a strip, and numbers in a list. */
const MOST_PICTURES = 24, MOST_NUMBERS = 400;
/** Shades of images whose neighbours are right and wrong, after those of ten classes. */
const RIGHT = 10, WRONG = 11;

export class Atlas {
  constructor(root) {
    this.root = root;
    this.texts = root.dataset;
    ({ run: this.run, dataset: this.dataset, split: this.split, query: this.query, colour: this.colouring } = root.dataset);
    this.train = Number(root.dataset.train);
    this.names = [...root.querySelectorAll("[data-class]")].map((button) => button.textContent);
    this.hidden = new Set();
    this.chosen = null;
    this.looked = -1;
    this.picked = { index: -1, neighbours: [] };
    this.isLassoing = false;
    this.tooltip = root.querySelector(".tooltip");
    this.face = getComputedStyle(root).fontFamily;
    this.sides = [...root.querySelectorAll(".side")].map((figure) => new Side(figure, this));
    this.listen();
    this.recolour();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.recolour());
  }

  listen() {
    const find = (selector) => this.root.querySelector(selector);
    this.root.querySelectorAll("[data-class]").forEach((button) => button.addEventListener("click", () => this.toggle(button)));
    this.ring = find("#ring");
    this.ring.addEventListener("change", () => {
      if (this.ring.checked) this.vote();
      this.reflag();
    });
    const lasso = find("#lasso");
    lasso.addEventListener("click", () => {
      this.isLassoing = !this.isLassoing;
      lasso.setAttribute("aria-pressed", this.isLassoing);
      this.root.classList.toggle("lassoing", this.isLassoing);
      this.sides.forEach((side) => side.drop());
    });
    find("form.find").addEventListener("submit", (event) => {
      event.preventDefault();
      const field = find("#find");
      const index = Number(field.value);
      const isThere = field.value !== "" && index < (this.labels?.length ?? 0);
      field.setCustomValidity(isThere ? "" : this.texts.absent);
      field.reportValidity();
      if (!isThere) return;
      this.sides.forEach((side) => side.reveal(index));
      this.pick(index);
    });
    find("#find").addEventListener("input", (event) => event.target.setCustomValidity(""));
    find(".release").addEventListener("click", () => this.choose([]));
  }

  toggle(button) {
    const label = Number(button.dataset.class);
    if (!this.hidden.delete(label)) this.hidden.add(label);
    button.setAttribute("aria-pressed", !this.hidden.has(label));
    this.reflag();
  }

  /** Takes the points' labels, which are the same on both maps. */
  labelled(labels) {
    if (this.labels?.length === labels.length) return;
    this.labels = labels;
    this.shades = new Uint8Array(labels.length);
    this.flags = new Uint8Array(labels.length);
    this.reshade();
    this.reflag();
    if (this.colouring !== "label") this.vote();
  }

  /** A map is done: what needs the network is asked for now, when it no longer waits for it. */
  finished(side) {
    summarise(side);
    this.root.dispatchEvent(new CustomEvent("finished", { detail: side.stage }));
    if (this.sides.every((other) => other.figure.dataset.phase === "done")) this.vote();
  }

  /** Asks what the neighbours of each image say. */
  async vote() {
    if (this.votes) return this.votes;
    this.votes = fetch(`${base}/api/v1/runs/${this.run}/votes?split=${this.split}`).then(async (answer) => {
      if (!answer.ok) {
        this.votes = null; // and is asked again when it is needed
        return;
      }
      this.said = bytes((await answer.json()).said);
      this.reshade();
      this.reflag();
    });
    return this.votes;
  }

  reshade() {
    const { labels, said, shades } = this;
    for (let index = 0; index < labels.length; index++) {
      if (this.colouring === "label" || !said) shades[index] = labels[index];
      else if (this.colouring === "said") shades[index] = said[index];
      else shades[index] = said[index] === labels[index] ? RIGHT : WRONG;
    }
    this.sides.forEach((side) => side.scatter.shade(shades));
  }

  reflag() {
    if (!this.labels) return;
    const { labels, said, flags, hidden, chosen } = this;
    const isRinging = this.ring.checked && said;
    for (let index = 0; index < labels.length; index++) {
      let flag = hidden.has(labels[index]) ? HIDDEN : 0;
      if (chosen && !chosen.has(index)) flag |= FADED;
      if (isRinging && said[index] !== labels[index]) flag |= RINGED;
      flags[index] = flag;
    }
    this.sides.forEach((side) => side.scatter.flag(flags));
  }

  recolour() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => channels(style.getPropertyValue(name).trim());
    const classes = Array.from({ length: 10 }, (_, label) => colour(`--class-${label}`));
    this.ink = style.getPropertyValue("--ink").trim();
    const faint = colour("--ink-faint");
    this.sides.forEach((side) => side.scatter.colours([...classes, [...faint.slice(0, 3), 0.55], colour("--fault")], colour("--ink")));
  }

  /** Of which split's images the point is, and its number there; `image`: its number among the data set's own. */
  image(index) {
    if (this.split === "all") return index < this.train ? { split: "train", index, image: index, of: "train" } : { split: "test", index: index - this.train, image: index - this.train, of: "test" };
    if (this.split === "validation") return { split: "validation", index, image: this.train + index, of: "train" };
    return { split: this.split, index, image: index, of: this.split };
  }

  address(split, index) {
    return `${base}/api/v1/datasets/${this.dataset}/images/${split}/${index}.png`;
  }

  /** Shows what the point at a place on a map is; none for -1. */
  look(index, side, x, y) {
    if (index !== this.looked) {
      this.looked = index;
      this.sides.forEach((other) => other.mark());
      if (index >= 0) this.describe(index);
    }
    this.tooltip.hidden = index < 0;
    if (index < 0) return;
    const [root, ground] = [this.root.getBoundingClientRect(), side.canvas.getBoundingClientRect()];
    const left = Math.min(ground.left - root.left + x + 14, root.width - this.tooltip.offsetWidth);
    this.tooltip.style.left = `${Math.max(0, left)}px`;
    this.tooltip.style.top = `${ground.top - root.top + y + 14}px`;
  }

  describe(index) {
    const own = this.image(index);
    const image = this.tooltip.querySelector("img");
    image.hidden = false;
    image.onerror = () => (image.hidden = true); // the data set is not here
    image.src = this.address(own.of, own.image);
    const rows = [["#", own.index], [this.texts.label, this.names[this.labels[index]]]];
    if (this.said) rows.push([this.texts.said, this.names[this.said[index]]]);
    const parts = rows.flatMap(([name, value]) => [element("dt", name), element("dd", value)]);
    this.tooltip.querySelector("dl").replaceChildren(...parts);
    this.tooltip.classList.toggle("wrong", Boolean(this.said) && this.said[index] !== this.labels[index]);
  }

  /** Asks for an image's nearest neighbours in the original space. */
  async pick(index) {
    this.picked = { index, neighbours: [] };
    this.sides.forEach((side) => side.mark());
    const panel = this.root.querySelector(".near");
    panel.hidden = index < 0;
    if (index < 0) return;
    const own = this.image(index);
    const answer = await fetch(`${base}/api/v1/runs/${this.run}/neighbors?split=${own.split}&index=${own.index}`, {
      headers: { "accept-language": document.documentElement.lang },
    });
    const found = await answer.json();
    if (this.picked.index !== index) return;
    const reading = panel.querySelector(".reading");
    if (!answer.ok) {
      reading.textContent = found.detail ?? answer.status;
      return;
    }
    reading.textContent = `#${own.index} · ${this.texts.label} ${this.names[found.label]}`;
    const isOnMap = this.split === "all" || this.split === "train";
    if (isOnMap) this.picked.neighbours = found.neighbors.map((other) => other.index);
    const items = found.neighbors.map((other) => this.item("train", other.index, this.names[other.label], other.distance.toFixed(3), other.label !== found.label));
    panel.querySelector(".strip").replaceChildren(this.item(own.of, own.image, this.names[found.label], "", false, true), ...items);
    this.sides.forEach((side) => side.mark());
  }

  item(split, index, label, value, isWrong, isOwn) {
    const item = document.createElement("li");
    const image = document.createElement("img");
    Object.assign(image, { src: this.address(split, index), alt: label, width: 56, height: 56, loading: "lazy" });
    image.onerror = () => image.remove();
    const text = element("span", "");
    text.dir = "ltr";
    text.append(element("strong", label), ` ${value}`);
    const number = element("small", `#${index}`);
    number.dir = "ltr";
    item.append(image, text, number);
    item.classList.toggle("wrong", Boolean(isWrong));
    item.classList.toggle("own", Boolean(isOwn));
    return item;
  }

  /** Lets the others fade; none for an empty list. */
  choose(indices) {
    this.chosen = indices.length ? new Set(indices) : null;
    this.reflag();
    const panel = this.root.querySelector(".chosen");
    panel.hidden = !indices.length;
    if (this.file) URL.revokeObjectURL(this.file);
    if (!indices.length) return;
    panel.querySelector(".reading").textContent = this.texts.selected.replace("COUNT", indices.length.toLocaleString(document.documentElement.lang));
    const shown = indices.slice(0, MOST_PICTURES).map((index) => {
      const own = this.image(index);
      const isWrong = Boolean(this.said) && this.said[index] !== this.labels[index];
      return this.item(own.of, own.image, this.names[this.labels[index]], isWrong ? `→ ${this.names[this.said[index]]}` : "", isWrong);
    });
    panel.querySelector(".strip").replaceChildren(...shown);
    const numbers = indices.slice(0, MOST_NUMBERS).map((index) => this.image(index).index).join(", ");
    panel.querySelector(".indices").textContent = indices.length > MOST_NUMBERS ? `${numbers}, …` : numbers;
    this.file = URL.createObjectURL(new Blob([this.csv(indices)], { type: "text/csv" }));
    panel.querySelector(".save").href = this.file;
  }

  csv(indices) {
    const rows = indices.map((index) => {
      const own = this.image(index);
      const places = this.sides.flatMap((side) => [...side.scatter.places.subarray(2 * index, 2 * index + 2)]);
      return [own.split, own.index, this.labels[index], this.said?.[index] ?? "", ...places].join(",");
    });
    const heads = this.sides.flatMap((side) => [`x_${side.stage}`, `y_${side.stage}`]);
    return `${["split", "index", "label", "said", ...heads].join(",")}\n${rows.join("\n")}\n`;
  }

  /** Marks the place of the reader's own picture on the map after the training; nothing without one. */
  place(place) {
    const after = this.sides.find((side) => side.stage === "after");
    after.place = place;
    after.mark();
  }
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

/** `#rrggbb` as numbers from 0 to 1. */
function channels(colour) {
  return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255).concat(1);
}
