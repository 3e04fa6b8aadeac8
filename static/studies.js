// A study as it goes: what happens to it is heard over server-sent events, and the parts of the page that tell of it are drawn again by the
// server. Without this script the page looks again by itself.

import { base } from "./address.js";

const PARTS = ["head", "trials", "figures"];
const PAUSE = 400;

const study = document.querySelector("[data-study]");
if (study && study.hasAttribute("data-moving")) follow();

function follow() {
  const source = new EventSource(`${base}/api/v1/studies/${study.dataset.study}/events?after=${study.dataset.after}`);
  let waiting = null;
  const heard = () => {
    // Several things that happen at once are one look.
    waiting ??= setTimeout(async () => {
      waiting = null;
      await refresh();
    }, PAUSE);
  };
  source.addEventListener("trial", heard);
  source.addEventListener("state", heard);
}

/** Takes the parts from a fresh page; open tables stay open, and a part with the focus is left alone. */
async function refresh() {
  try {
    const response = await fetch(location.href, { headers: { accept: "text/html" } });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    for (const id of PARTS) {
      const [old, fresh] = [document.getElementById(id), page.getElementById(id)];
      if (!old || !fresh || old.contains(document.activeElement)) continue;
      const open = [...old.querySelectorAll("figure[id] details[open]")].map((details) => details.closest("figure").id);
      for (const name of open) fresh.querySelector(`#${CSS.escape(name)} details`)?.setAttribute("open", "");
      old.replaceWith(document.adoptNode(fresh));
    }
  } catch {
    // The server is away for a moment; the next event brings another look.
  }
}
