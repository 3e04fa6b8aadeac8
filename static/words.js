// Enhances the words page: completion while typing, sections that update in place, tooltips on maps.
// Everything here also works without it, by plain forms and links.

import { base } from "./address.js";

const page = document.querySelector(".words");
let set = page?.dataset.set;

if (page) {
  page.addEventListener("submit", submitInPlace);
  window.addEventListener("popstate", () => load(new URL(location.href)));
  page.addEventListener("input", (event) => event.target.matches("[data-complete]") && complete(event.target));
  page.addEventListener("keydown", (event) => event.target.matches("[data-complete]") && steer(event));
  page.addEventListener("focusout", (event) => event.target.matches("[data-complete]") && close(event.target));
  for (const kind of ["pointerover", "focusin"]) page.addEventListener(kind, (event) => showTooltip(event.target.closest?.("[data-word]")));
  for (const kind of ["pointerout", "focusout"]) page.addEventListener(kind, (event) => event.target.closest?.("[data-word]") && hideTooltip());
  page.addEventListener("keydown", (event) => event.key === "Escape" && hideTooltip());
  page.addEventListener("click", (event) => visit(event.target.closest?.("[data-word]")));
  page.addEventListener("keydown", (event) => event.key === "Enter" && visit(event.target.closest?.("[data-word]")));
  enlivenMaps(page);
  document.querySelector("#set")?.addEventListener("change", (event) => event.target.form.requestSubmit());
}

// --- Sections in place ---------------------------------------------------------------------------------------

/** Sends a section's form, keeps every other section's parameters, and swaps only that section. */
function submitInPlace(event) {
  const form = event.target.closest("form[data-section]");
  if (!form) return;
  event.preventDefault();
  const section = form.dataset.section;
  const url = new URL(form.getAttribute("action"), location.href);
  const parameters = new URLSearchParams(location.search);
  for (const [name, value] of new FormData(form)) if (form.elements[name].type !== "hidden") parameters.set(name, value);
  url.search = parameters.toString();
  url.hash = section;
  history.pushState(null, "", url);
  load(url, section);
}

let latest = 0;

/** Fetches the page at `url` and swaps one section, or all there are. A newer call wins over an older answer. */
async function load(url, section) {
  const turn = ++latest;
  const target = section && document.getElementById(section);
  target?.setAttribute("aria-busy", "true");
  try {
    // The server answers a fault with 404 or 422 and the same page, so its status does not matter here.
    const address = section ? `${base}/words/${section}${url.search}` : url.pathname + url.search;
    const response = await fetch(address, { headers: { accept: "text/html" } });
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    if (turn !== latest) return;
    const swapped = section ? [section] : [...document.querySelectorAll(".words > section")].map((element) => element.id);
    if (!swapped.every((id) => fresh.getElementById(id))) throw new Error("the answer has no such section");
    const focused = document.activeElement?.id;
    for (const id of swapped) document.getElementById(id).replaceWith(fixForms(fresh.getElementById(id), section));
    enlivenMaps(page);
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  } catch {
    location.assign(url);
  }
}

/** A section fetched alone leads its form to itself; on the whole page it leads there. */
function fixForms(element, section) {
  const alone = location.pathname.startsWith(`${base}/words/`);
  if (section && !alone) {
    for (const form of element.querySelectorAll("form")) form.setAttribute("action", `${base}/words#${section}`);
    for (const link of element.querySelectorAll(".fault a, a.reset, .presets a, a.button")) link.setAttribute("href", link.getAttribute("href").replace(/\/words\/[a-z]+/, "/words"));
  }
  return document.adoptNode(element);
}

// --- Completion ----------------------------------------------------------------------------------------------

let asked = 0;

/** The word around the caret: its start, its end, its text. */
function wordAt(input) {
  const separator = /[\s,،;؛:/]/;
  let start = input.selectionStart;
  let end = start;
  while (start > 0 && !separator.test(input.value[start - 1])) start--;
  while (end < input.value.length && !separator.test(input.value[end])) end++;
  return { start, end, text: input.value.slice(start, end) };
}

function listOf(input) {
  let list = document.getElementById(`${input.id}-suggestions`);
  if (!list) {
    list = document.createElement("ul");
    list.id = `${input.id}-suggestions`;
    list.className = "suggestions";
    list.setAttribute("role", "listbox");
    list.dir = "ltr";
    list.hidden = true;
    list.addEventListener("pointerdown", (event) => {
      event.preventDefault(); // the field keeps the focus
      const option = event.target.closest("[role=option]");
      if (option) take(input, option);
    });
    input.insertAdjacentElement("afterend", list);
    input.setAttribute("role", "combobox");
    input.setAttribute("aria-autocomplete", "list");
    input.setAttribute("aria-controls", list.id);
    input.setAttribute("aria-expanded", "false");
  }
  return list;
}

async function complete(input) {
  const turn = ++asked;
  const { text } = wordAt(input);
  const list = listOf(input);
  if (!text) return close(input);
  try {
    const response = await fetch(`${base}/api/v1/words/${encodeURIComponent(set)}/completions?limit=8&prefix=${encodeURIComponent(text)}`);
    if (!response.ok) return close(input);
    const { words, suggestions } = await response.json();
    if (turn !== asked || document.activeElement !== input) return;
    const found = words.length ? words : suggestions;
    if (!found.length || (words.length === 1 && words[0] === text)) return close(input);
    list.replaceChildren(...found.map((word, index) => {
      const option = document.createElement("li");
      option.id = `${list.id}-${index}`;
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", "false");
      option.textContent = word;
      return option;
    }));
    list.style.top = `${input.offsetTop + input.offsetHeight + 2}px`;
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    input.removeAttribute("aria-activedescendant");
  } catch {
    close(input);
  }
}

function steer(event) {
  const input = event.target;
  const list = document.getElementById(`${input.id}-suggestions`);
  if (!list || list.hidden) return;
  const options = [...list.children];
  const current = options.findIndex((option) => option.getAttribute("aria-selected") === "true");
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    const step = event.key === "ArrowDown" ? 1 : -1;
    const next = current < 0 ? (step > 0 ? 0 : options.length - 1) : (current + step + options.length) % options.length;
    options.forEach((option, index) => option.setAttribute("aria-selected", String(index === next)));
    input.setAttribute("aria-activedescendant", options[next].id);
  } else if ((event.key === "Enter" || event.key === "Tab") && current >= 0) {
    event.preventDefault();
    take(input, options[current]);
  } else if (event.key === "Escape") {
    event.preventDefault();
    close(input);
  }
}

function take(input, option) {
  const { start, end } = wordAt(input);
  input.setRangeText(option.textContent, start, end, "end");
  close(input);
}

function close(input) {
  asked++;
  const list = document.getElementById(`${input.id}-suggestions`);
  if (!list) return;
  list.hidden = true;
  input.setAttribute("aria-expanded", "false");
  input.removeAttribute("aria-activedescendant");
}

// --- Tooltips ------------------------------------------------------------------------------------------------

/** Makes every point of a map reachable by keyboard. A point's own title ("word: x, y") moves to the tooltip. */
function enlivenMaps(root) {
  for (const drawing of root.querySelectorAll(".maps .figure-drawing")) {
    drawing.setAttribute("role", "group");
    for (const title of drawing.querySelectorAll(".figure-fill > title")) {
      const point = title.parentElement;
      point.dataset.word = title.textContent.slice(0, title.textContent.lastIndexOf(": "));
      point.dataset.place = title.textContent;
      point.setAttribute("tabindex", "0");
      point.setAttribute("role", "link");
      point.setAttribute("aria-label", title.textContent);
      title.remove();
    }
  }
}

/** The nearest words of a point's word. */
function visit(point) {
  if (!point) return;
  const parameters = new URLSearchParams();
  if (set !== "default") parameters.set("set", set);
  parameters.set("words", point.dataset.word);
  location.assign(`${base}/words?${parameters}#neighbors`);
}

const tooltip = document.createElement("div");
tooltip.className = "tooltip";
tooltip.id = "map-tooltip";
tooltip.setAttribute("role", "tooltip");
tooltip.hidden = true;
document.body.append(tooltip);
const known = new Map();
let shown = 0;

/** The exact place of a point at once, its nearest words as soon as they are here. */
async function showTooltip(point) {
  if (!point) return;
  const turn = ++shown;
  const word = point.dataset.word;
  const head = document.createElement("strong");
  head.dir = "ltr";
  head.textContent = point.dataset.place;
  tooltip.replaceChildren(head);
  tooltip.hidden = false;
  point.setAttribute("aria-describedby", tooltip.id);
  // Not inset from the reading direction: the picture runs left to right in every language.
  const box = point.getBoundingClientRect();
  const put = () => {
    tooltip.style.left = `${Math.max(8, Math.min(box.left + 12, document.documentElement.clientWidth - tooltip.offsetWidth - 8)) + scrollX}px`;
    tooltip.style.top = `${box.bottom + 8 + scrollY}px`;
  };
  put();
  const key = `${set} ${word}`;
  if (!known.has(key)) {
    const address = `${base}/api/v1/words/${encodeURIComponent(set)}/neighbors?k=5&word=${encodeURIComponent(word)}`;
    known.set(key, fetch(address).then((response) => (response.ok ? response.json() : { neighbors: [] })).catch(() => ({ neighbors: [] })));
  }
  const { neighbors } = await known.get(key);
  if (turn !== shown || !neighbors.length) return;
  const table = document.createElement("table");
  const caption = table.createCaption();
  caption.textContent = page.dataset.nearest;
  for (const neighbor of neighbors) {
    const row = table.insertRow();
    row.insertCell().textContent = neighbor.word;
    const value = row.insertCell();
    value.className = "number";
    value.textContent = neighbor.similarity.toFixed(3);
  }
  table.dir = "ltr";
  tooltip.append(table);
  put();
}

function hideTooltip() {
  shown++;
  tooltip.hidden = true;
}
