// What a map shows, for those who read it in words and numbers: where each class lies, how far it spreads, and which two lie nearest.

/** Fills the sentence and the table of a map that is done. */
export function summarise({ figure, frames, atlas }) {
  const places = frames.at(-1)?.places;
  if (!places || !atlas.labels) return;
  const classes = atlas.names.map((name, label) => extent(name, label, places, atlas.labels)).filter(({ count }) => count);
  figure.querySelector(".places tbody").replaceChildren(...classes.map(row));
  const { names, apart } = nearest(classes);
  if (!names) return;
  const number = (value, decimals = 0) => value.toLocaleString(document.documentElement.lang, { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  const named = (name) => (/^\d+$/.test(name) ? number(Number(name)) : name); // digits as the language writes them
  const words = { COUNT: number(places.length / 2), ONE: named(names[0]), OTHER: named(names[1]), APART: number(apart, 2) };
  figure.querySelector(".told").textContent = atlas.texts.reading.replace(/COUNT|ONE|OTHER|APART/g, (name) => words[name]);
}

/** A class's centre, and the root of the mean squared distance from it. */
function extent(name, label, places, labels) {
  let [count, x, y, square] = [0, 0, 0, 0];
  for (let index = 0; index < labels.length; index++) {
    if (labels[index] !== label) continue;
    const [ownX, ownY] = [places[2 * index], places[2 * index + 1]];
    count++;
    x += ownX;
    y += ownY;
    square += ownX * ownX + ownY * ownY;
  }
  const centre = [x / count, y / count];
  return { name, count, centre, spread: Math.sqrt(Math.max(0, square / count - centre[0] ** 2 - centre[1] ** 2)) };
}

/** The two classes whose centres are least apart. */
function nearest(classes) {
  let best = { apart: Infinity };
  classes.forEach((one, place) => {
    for (const other of classes.slice(place + 1)) {
      const apart = Math.hypot(one.centre[0] - other.centre[0], one.centre[1] - other.centre[1]);
      if (apart < best.apart) best = { names: [one.name, other.name], apart };
    }
  });
  return best;
}

function row({ name, count, centre, spread }) {
  const made = document.createElement("tr");
  const head = document.createElement("th");
  head.scope = "row";
  head.dir = "ltr";
  head.textContent = name;
  made.append(head);
  for (const value of [String(count), ...[...centre, spread].map((value) => value.toFixed(2))]) {
    const cell = made.insertCell();
    cell.className = "number";
    cell.dir = "ltr";
    cell.textContent = value;
  }
  return made;
}
