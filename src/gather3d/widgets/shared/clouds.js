//#region clouds
// What the explorables of clouds share beside the camera: the points and what is wrong with them, a row
// that is typed or stepped, a key to the signs of a picture, a place where what is too wide scrolls.
// It imports nothing, since a page loads it as a module of its own.

/** The points of a cloud, from the bytes of its float32 numbers. */
export function cloud(data) {
  const point = (n) => [0, 4, 8].map((byte) => data.getFloat32(12 * n + byte, true));
  return Array.from({ length: Math.floor((data?.byteLength ?? 0) / 12) }, (_, n) => point(n));
}

/** Why there is nothing to see, in Python's words, or "". `row` is a trait that names a point. */
export function faultOf(points, name, row) {
  if (!points.length) return "points: got no points, wanted at least one";
  const bad = points.findIndex((p) => !p.every(Number.isFinite));
  if (bad >= 0) return `points: got ${points[bad].find((c) => !Number.isFinite(c))} in row ${bad}, wanted finite numbers`;
  return Number.isInteger(row) && row >= 0 && row < points.length ? "" : `${name}: got ${row}, wanted 0 … ${points.length - 1}`;
}

/** The same of a length in metres. */
export function lengthFault(name, value) {
  return value > 0 && value < Infinity ? "" : `${name}: got ${value}, wanted a finite number above 0`;
}

/** The box that holds the points, with a margin; around 0 where there is none. */
export function extent(points, margin) {
  if (faultOf(points, "", 0)) return [[-1, -1, -1], [1, 1, 1]];
  const end = (which, by) => [0, 1, 2].map((d) => points.reduce((most, p) => which(most, p[d]), points[0][d]) + by);
  return [end(Math.min, -margin), end(Math.max, margin)];
}

const SIGNS = { dot: "M7 3a4 4 0 1 0 .01 0Z", square: "M3 3h8v8h-8Z", ring: "M7 2a5 5 0 1 0 .01 0Z", box: "M2 2h10v10h-10Z" };

function built(parent, kind, rest = {}, style = "") {
  return parent.appendChild(Object.assign(document.createElement(kind), rest, { style }));
}

/**
 * Two buttons and a field for a row: `step(by)` moves it, `type(number)` sets it or returns why not.
 * `show(value)` writes it; `words()` says what was wrong with what was typed, until it is mended.
 */
export function rowField(view, name, label, { step, type }) {
  const box = built(view.controls, "span", { role: "group", ariaLabel: label }, "display:inline-flex;gap:.3rem;align-items:center");
  box.dataset.control = name;
  let wrong = "", shown = "";
  const go = (by) => { wrong = ""; step(by); };
  const back = () => { wrong = ""; field.value = shown; view.repaint(); };
  built(box, "b", { textContent: label });
  view.listen(built(box, "button", { type: "button", textContent: "‹", ariaLabel: `previous ${label}` }), "click", () => go(-1));
  const field = built(box, "input", { type: "text", inputMode: "numeric", autocomplete: "off", ariaLabel: label, className: "g3x-cell index" }, "width:64px");
  view.listen(built(box, "button", { type: "button", textContent: "›", ariaLabel: `next ${label}` }), "click", () => go(1));
  const read = () => {
    const text = field.value.trim(), number = Number(text.replace("−", "-"));
    const whole = text !== "" && Number.isInteger(number);
    wrong = whole ? type(number) ?? "" : `${label}: got ${JSON.stringify(text)}, wanted a whole number`;
    view.repaint();
  };
  view.listen(field, "change", read);
  view.listen(field, "keydown", (event) => {
    const by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (by) go(by);
    else if (event.key === "Enter") read();
    else if (event.key === "Escape") back();
    else return;
    event.preventDefault();
  });
  return {
    words: () => wrong,
    show(value) {
      if (!wrong && shown !== `${value}`) field.value = shown = `${value}`;
      field.classList.toggle("wrong", wrong !== "");
      field.setAttribute("aria-invalid", wrong !== "");
    },
    forget: () => { if (wrong) back(); },
    /** For a canvas: the keys n and p step too. */
    key({ key }) {
      const by = { n: 1, p: -1 }[key];
      if (by) go(by);
      return by;
    },
  };
}

/** A trait that is true or false as a number that moves between 1 and 0, at once where motion is not wanted. */
export function glide(view, name) {
  let at = Number(view.model.get(name));
  return () => {
    const to = Number(view.model.get(name));
    if (at === to) return at;
    const there = Math.abs(to - at) < 0.02 || matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (!there) view.repaint();
    at = there ? to : at + 0.25 * (to - at);
    return at;
  };
}

/** Enter, or a double click, on a cell of a table. */
export function onenter(view, { cells }, act) {
  view.listen(cells, "keydown", (event) => { if (event.key === "Enter") act(); });
  view.listen(cells, "dblclick", act);
}

/** What the signs of a picture mean: signs = [kind, sign, words], all in one line that wraps. */
export function legend(view, before) {
  const line = before.parentNode.insertBefore(document.createElement("p"), before);
  line.style = "margin:0;flex:1 1 100%;display:flex;flex-wrap:wrap;gap:.1rem .9rem;font-size:13px";
  let written = "";
  return (signs) => {
    if (written === `${signs}`) return;
    written = `${signs}`;
    line.replaceChildren();
    for (const [kind, sign, words] of signs) {
      const hollow = sign === "ring" || sign === "box";
      const one = built(line, "span");
      one.innerHTML = `<svg width="14" height="14" aria-hidden="true" style="vertical-align:-2px;margin-right:.3rem"><path d="${SIGNS[sign]}" `
        + `style="stroke:var(--${kind}-c);stroke-width:1.8;${sign === "box" && kind === "missing" ? "stroke-dasharray:3 2;" : ""}fill:${hollow ? "none" : `var(--${kind}-c)`}"/></svg>`;
      one.append(words);
    }
  };
}

/** A place for tables; where it is too wide for the frame it scrolls inside itself. */
export function scroller(view, label, ...tables) {
  const box = document.createElement("div");
  Object.assign(box, { role: "group", ariaLabel: label, style: "flex:1 1 100%;min-width:0;overflow-x:auto;padding:3px;display:grid;gap:.5rem" });
  box.append(...tables.map((one) => one.box));
  view.stage.insertBefore(box, view.overlay);
  const sizes = new ResizeObserver(() => { box.tabIndex = box.scrollWidth > box.clientWidth ? 0 : -1; });
  sizes.observe(box);
  for (const one of tables) sizes.observe(one.cells);
  view.onend(() => sizes.disconnect());
  return box;
}
//#endregion
