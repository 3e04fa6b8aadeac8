// Enhances the list of runs: while something trains, the list follows; choices need no button.
// Everything here also works without it, by plain forms and a page that looks again.

const PAUSE = 2000;

for (const choice of document.querySelectorAll(".filter select")) choice.addEventListener("change", () => choice.form.requestSubmit());
if (document.querySelector("#list[data-moving]")) setTimeout(follow, PAUSE);

/** Swaps the list for a fresh one, with what is ticked still ticked, until nothing moves any more. A page in the background rests. */
async function follow() {
  if (document.hidden) {
    document.addEventListener("visibilitychange", follow, { once: true });
    return;
  }
  try {
    const response = await fetch(location.href, { headers: { accept: "text/html" } });
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html").querySelector("#list");
    const list = document.querySelector("#list");
    if (fresh && !list.contains(document.activeElement)) {
      const ticked = new Set([...list.querySelectorAll("input:checked")].map((box) => box.value));
      for (const box of fresh.querySelectorAll("input[type=checkbox]")) box.checked = ticked.has(box.value);
      list.replaceWith(document.adoptNode(fresh));
    }
  } catch {
    // The server is away for a moment; the next look tells.
  }
  if (document.querySelector("#list[data-moving]")) setTimeout(follow, PAUSE);
}
