// Enhances the page of skin lesions: parts change in place, a cell of a matrix shows its images, a threshold moves what follows from it,
// and a picture is looked at without leaving the page. Everything here also works without it, by plain links and forms.

import { Dial } from "./skin-point.js";

const page = document.querySelector(".skin");
/** What can change by itself, and what the address says of it. */
const PARTS = {
  splits: ["judge", "matrix", "curves"],
  examples: ["split", "true", "predicted", "only", "order", "lesions", "page", "attention"],
  point: ["of", "on", "threshold", "miss", "alarm"],
  remedies: ["sort", "remedy", "measure"],
};

if (page) {
  page.addEventListener("click", follow);
  page.addEventListener("submit", send);
  page.addEventListener("change", choose);
  page.addEventListener("keydown", step);
  window.addEventListener("popstate", () => swap(new URL(location.href), Object.keys(PARTS)));
  wake();
}

/** What needs its listeners anew whenever it was swapped. */
function wake() {
  document.querySelectorAll("form.dial").forEach((form) => form.dial ?? (form.dial = new Dial(form, settle)));
  for (const matrix of document.querySelectorAll(".matrix:has(a)")) rove(matrix, matrix.querySelector("a.chosen") ?? matrix.querySelector("a"));
  const form = document.querySelector("form.upload");
  if (form && !form.dataset.awake) receive(form);
}

// --- Parts in place ------------------------------------------------------------------------------------------

/** A link within a part changes that part; a cell of a matrix changes the images. */
function follow(event) {
  const link = event.target.closest?.("a[href]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button) return;
  const cell = link.closest(".matrix");
  if (!cell && !link.dataset.part) return;
  event.preventDefault();
  const part = cell ? "examples" : link.dataset.part;
  const url = merged(new URL(link.href), part);
  history.pushState(null, "", url);
  if (!cell) return swap(url, [part]);
  document.querySelectorAll(".matrix a.chosen").forEach((other) => other.classList.remove("chosen"));
  link.classList.add("chosen");
  return swap(url, ["examples"]).then(() => reveal("#examples"));
}

/** What `url` says of a part, and what the address says of all others: links and forms of other parts are those of the page as it came. */
function merged(url, part) {
  const query = new URLSearchParams(location.search);
  for (const name of PARTS[part]) {
    const value = url.searchParams.get(name);
    if (value) query.set(name, value);
    else query.delete(name);
  }
  const own = new URL(location.href);
  own.search = query;
  own.hash = part;
  return own;
}

function send(event) {
  const form = event.target.closest("form[data-part]");
  if (!form) return;
  event.preventDefault();
  settle(form);
}

/** The address that a form asks for, and its part in it. */
function settle(form) {
  const asked = new URL(form.getAttribute("action"), location.href);
  for (const [name, value] of new FormData(form)) if (value !== "") asked.searchParams.set(name, value);
  const url = merged(asked, form.dataset.part);
  history.pushState(null, "", url);
  return swap(url, [form.dataset.part]);
}

/** A list needs no button; the list of runs asks for another page. */
function choose(event) {
  if (event.target.id === "run") event.target.form.requestSubmit();
  else if (event.target.matches("form[data-part] select")) event.target.form.requestSubmit();
}

let latest = 0;

/** Fetches the page at `url` and puts its parts in the place of ours. A newer call wins over an older answer. */
async function swap(url, parts) {
  const turn = ++latest;
  parts.forEach((part) => document.getElementById(part)?.setAttribute("aria-busy", "true"));
  try {
    const address = new URL(url);
    if (parts.length === 1) address.searchParams.set("part", parts[0]);
    const answer = await fetch(address, { headers: { accept: "text/html" } });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (turn !== latest) return;
    const present = parts.filter((part) => document.getElementById(part));
    if (!answer.ok || !present.every((part) => fresh.getElementById(part))) throw new Error(`the server answered ${answer.status}`);
    const focused = place(document.activeElement);
    for (const part of present) document.getElementById(part).replaceWith(document.adoptNode(fresh.getElementById(part)));
    wake();
    focused?.()?.focus({ preventScroll: true });
  } catch {
    location.assign(url);
  }
}

/** Finds again what had the keyboard, after its part was swapped. */
function place(element) {
  const part = element?.closest?.("section[id]");
  if (!part || !(part.id in PARTS)) return null;
  if (element.id) return () => document.getElementById(element.id);
  const alike = `#${part.id} ${element.localName}`;
  const index = [...document.querySelectorAll(alike)].indexOf(element);
  return () => document.querySelectorAll(alike)[index];
}

/** Scrolls there, where it is out of sight. */
function reveal(selector) {
  const found = document.querySelector(selector);
  const box = found?.getBoundingClientRect();
  if (box && (box.top < 0 || box.top > innerHeight * 0.6)) found.scrollIntoView();
}

// --- A matrix by keyboard ------------------------------------------------------------------------------------

/** One stop for the tabulator in each matrix; arrows go on from there. */
function rove(matrix, here) {
  for (const link of matrix.querySelectorAll("a")) link.tabIndex = link === here ? 0 : -1;
}

const ARROWS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

function step(event) {
  const link = event.target.closest?.(".matrix a");
  const arrow = ARROWS[event.key];
  if (!link || !arrow) return;
  event.preventDefault();
  const rows = [...link.closest("tbody").rows].map((row) => [...row.querySelectorAll("a")]);
  const row = rows.findIndex((cells) => cells.includes(link));
  const next = rows[row + arrow[0]]?.[rows[row].indexOf(link) + arrow[1]];
  if (!next) return;
  rove(link.closest(".matrix"), next);
  next.focus();
}

// --- Pictures ------------------------------------------------------------------------------------------------

/** A picture can be chosen, dropped, pasted or taken; it is sent as the form would send it. */
function receive(form) {
  form.dataset.awake = "yes";
  const field = form.querySelector(".drop");
  const give = (files) => {
    if (!files?.length) return;
    const chosen = new DataTransfer();
    chosen.items.add(files[0]);
    form.image.files = chosen.files;
    form.requestSubmit();
  };
  form.image.addEventListener("change", () => form.image.files.length && form.requestSubmit());
  form.querySelector(".camera input").addEventListener("change", (event) => give(event.target.files));
  for (const kind of ["dragenter", "dragover"]) {
    form.addEventListener(kind, (event) => {
      event.preventDefault();
      field.classList.add("over");
    });
  }
  form.addEventListener("dragleave", () => field.classList.remove("over"));
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    field.classList.remove("over");
    give(event.dataTransfer.files);
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    form.setAttribute("aria-busy", "true"); // the first answer of a network is waited for
    const body = new FormData(form);
    body.set("part", "try");
    try {
      const answer = await fetch(form.action, { method: "POST", body });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("#try");
      if (!fresh) throw new Error(`the server answered ${answer.status}`);
      document.querySelector("#try").replaceWith(document.adoptNode(fresh));
      wake();
    } catch {
      form.submit(); // the answer is then a page of its own
    }
  });
}

document.addEventListener("paste", (event) => {
  const form = document.querySelector("form.upload");
  const files = [...(event.clipboardData?.files ?? [])].filter((file) => file.type.startsWith("image/"));
  if (!form || !files.length || event.target.closest?.("input:not([type=file]), textarea")) return;
  event.preventDefault();
  const chosen = new DataTransfer();
  chosen.items.add(files[0]);
  form.image.files = chosen.files;
  form.requestSubmit();
});
