// Enhances the page of data sets: the progress of a fetch as it goes, and lists that need no button.
// Everything here also works without it, by plain forms and a page that looks again.

for (const place of document.querySelectorAll("[data-events]")) follow(place);
for (const list of document.querySelectorAll("#images select")) list.addEventListener("change", () => list.form.requestSubmit());

/** Moves the bar with each event; when the fetch has ended, the page says how. */
function follow(place) {
  const bar = place.querySelector("progress");
  const text = place.querySelector("[role=status]");
  const events = new EventSource(place.dataset.events);
  events.addEventListener("progress", (event) => {
    const { bytes, total } = JSON.parse(event.data);
    bar.max = total;
    bar.value = bytes;
    text.textContent = place.dataset.text.replace("HERE", megabytes(bytes)).replace("TOTAL", megabytes(total));
  });
  events.addEventListener("state", () => {
    events.close();
    location.reload();
  });
}

function megabytes(bytes) {
  const language = document.documentElement.lang;
  return new Intl.NumberFormat(language, { minimumFractionDigits: 1, maximumFractionDigits: 1, useGrouping: false }).format(bytes / 1e6);
}
