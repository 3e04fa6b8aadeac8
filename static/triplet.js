// Enhances the page of the triplet network: maps that can be looked into, a pad to draw on, answers without leaving the page.
// Everything here also works without it, by plain forms and drawings.

import { Atlas } from "./triplet-atlas.js";
import { Pad } from "./triplet-pad.js";

const root = document.querySelector("#atlas");
const atlas = root && new Atlas(root);
root?.addEventListener("finished", (event) => event.detail === "after" && refresh());
document.querySelectorAll("form.view select").forEach((list) => list.addEventListener("change", () => list.form.requestSubmit()));
watch();

/** The network has looked at the images now: what waited for that is fetched. */
async function refresh() {
  const waiting = document.querySelector("#hardest[data-pending]");
  if (!waiting) return;
  const answer = await fetch(location.href);
  if (answer.ok) waiting.replaceWith(document.adoptNode(parsed(await answer.text()).querySelector("#hardest")));
}

/** Sends a drawing or a file as the form would, and takes over what the answer says of it. */
function watch() {
  const form = document.querySelector("form.upload");
  if (!form) return;
  const pad = new Pad(document.querySelector("#pad"));
  document.querySelector("#clear").addEventListener("click", () => pad.clear());
  document.querySelector("#ask").addEventListener("click", async () => send(form, await pad.file()));
  form.image.addEventListener("change", () => form.image.files.length && form.requestSubmit());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form, form.image.files[0]);
  });
}

async function send(form, file) {
  const body = new FormData(form);
  body.set("image", file, "picture");
  const buttons = form.querySelectorAll("button");
  buttons.forEach((button) => (button.disabled = true));
  try {
    const answer = await fetch(form.action, { method: "POST", body });
    const fresh = parsed(await answer.text()).querySelector("#try");
    if (!fresh) throw new Error(`the server answered ${answer.status}`);
    document.querySelector("#image-faults").replaceWith(document.adoptNode(fresh.querySelector("#image-faults")));
    document.querySelector("#try .answer")?.remove();
    const said = fresh.querySelector(".answer");
    if (said) form.after(document.adoptNode(said));
    atlas?.place(said?.dataset.x ? [Number(said.dataset.x), Number(said.dataset.y)] : null);
  } catch {
    form.submit(); // the answer is then a page of its own
  } finally {
    buttons.forEach((button) => (button.disabled = false));
  }
}

function parsed(text) {
  return new DOMParser().parseFromString(text, "text/html");
}
