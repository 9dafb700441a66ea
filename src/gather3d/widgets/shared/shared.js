//#region shared
// What every explorable is made of: a frame with controls, a stage and words that are read aloud;
// tables of cells; arrows between cells. Plain elements, so that a keyboard and a screen reader find
// what a mouse finds. All listeners of a view end with it.

const STYLE = `
.g3x{--source-c:var(--g3-source,#0072b2);--index-c:var(--g3-index,#e69f00);--result-c:var(--g3-result,#009e73);
  --missing-c:var(--g3-missing,#8a8a8a);--wrong-c:var(--g3-wrong,#d55e00);--ink-c:var(--g3-ink,currentColor);
  --line-c:var(--g3-line,rgba(128,128,128,.4));position:relative;color:var(--ink-c);font:14px/1.45 system-ui,sans-serif;overflow-wrap:normal;word-break:normal}
.g3x .g3x-stage dt{float:none;width:auto}
:is([data-jp-theme-light=false],.vscode-dark,[theme=dark]) .g3x{--g3-source:#56b4e9;--g3-index:#f0b63c;--g3-result:#2fc79a;
  --g3-missing:#9a9fa6;--g3-wrong:#f2843f} /* notebooks in the dark; a page of the book says it itself */
.g3x *{box-sizing:border-box}
.g3x [hidden]{display:none!important}
.g3x-controls{display:flex;flex-wrap:wrap;gap:.5rem 1.1rem;align-items:center;margin-bottom:.75rem}
.g3x-controls fieldset{display:flex;flex-wrap:wrap;gap:.1rem .6rem;border:0;margin:0;padding:0;min-width:0;align-items:center}
.g3x-controls legend{float:left;padding:0;margin:0 .5rem 0 0;width:auto;font:inherit;font-weight:600}
.g3x label{display:inline-flex;gap:.3rem;align-items:center;min-height:28px;cursor:pointer;margin:0}
.g3x input[type=range]{width:9rem;height:28px;margin:0;accent-color:var(--ink-c)}
.g3x input[type=radio],.g3x input[type=checkbox]{margin:0;width:16px;height:16px;accent-color:var(--ink-c)}
.g3x button{font:inherit;color:inherit;background:none;border:1px solid var(--ink-c);border-radius:4px;min-height:28px;padding:.1rem .6rem;cursor:pointer}
.g3x button[aria-pressed=true]{background:color-mix(in srgb,var(--ink-c) 14%,transparent);box-shadow:inset 0 0 0 1px var(--ink-c)}
.g3x button:disabled{opacity:.45;cursor:default}
.g3x :focus-visible{outline:2px solid var(--source-c);outline-offset:2px}
.g3x-stage{position:relative;display:flex;flex-wrap:wrap;gap:1rem 2.2rem;align-items:flex-start}
.g3x-table>p,.g3x-cell{position:relative;z-index:1}
.g3x-arrows{position:absolute;inset:0;width:100%;height:100%;pointer-events:none;overflow:visible}
.g3x-sheet{position:relative;width:max-content}
.g3x-scroll{width:100%;overflow-x:auto;padding:3px}
.g3x-call{display:block;font-family:ui-monospace,monospace;font-size:13px;margin-top:.6rem;overflow-wrap:anywhere}
.g3x-call:empty{display:none}
.g3x-call+.g3x-line{margin-top:.15rem}
.g3x-sheet .g3x-table{max-width:none}.g3x-sheet [hidden]{display:none!important}
.g3x-sheet .g3x-cell{min-width:0;padding:0}
.g3x-sheet .context.g3x-cell{border-color:transparent;background:none;height:24px}
.g3x .g3x-flying{position:absolute;left:0;top:0;z-index:2;pointer-events:none;background:var(--c);color:var(--g3-paper,Canvas);font-weight:700}
.g3x-line{font-family:ui-monospace,monospace;min-height:1.45em;margin:.6rem 0 0;overflow-wrap:anywhere}
.g3x-said{min-height:1.45em;margin:.25rem 0 0}
.g3x-refusal{margin:.25rem 0 0;color:var(--ink-c);border-left:4px solid var(--wrong-c);padding-left:.6rem}
.g3x-refusal:empty{display:none}
.g3x .source{--c:var(--source-c)}.g3x .index{--c:var(--index-c)}.g3x .result{--c:var(--result-c)}
.g3x .missing{--c:var(--missing-c)}.g3x .wrong{--c:var(--wrong-c)}.g3x .context{--c:var(--line-c)}
.g3x-table{min-width:0;max-width:100%}
.g3x-table>p{margin:0 0 .25rem;font-weight:600}.g3x-table>p small{font-weight:400;opacity:.85}
.g3x-cells{display:flex;flex-wrap:wrap;gap:.6rem;max-width:100%}
.g3x-slab{display:grid;gap:3px}
.g3x-row{display:flex;gap:3px}
.g3x-layer{font-size:12px}
.g3x-cell{min-width:38px;height:32px;padding:0 .2rem;display:grid;place-content:center;border:1px solid var(--c);border-radius:3px;
  background:color-mix(in srgb,var(--c) 16%,transparent);font-variant-numeric:tabular-nums;cursor:default;color:var(--ink-c)}
.g3x .index.g3x-cell{border-radius:10px}.g3x .result.g3x-cell{border-bottom-width:3px}
.g3x .missing.g3x-cell{border-style:dashed}.g3x .wrong.g3x-cell{border-width:2.5px;border-style:double}
.g3x-cell.mark{background:color-mix(in srgb,var(--c) 48%,transparent);box-shadow:0 0 0 1.5px var(--c)}
.g3x-cell.dim{opacity:.4}
.g3x .small{--size:20px}.g3x .small .g3x-cells{gap:.4rem .5rem;overflow-x:auto;max-width:calc(100% + 3px);padding:3px;margin:-3px 0 -3px -3px}.g3x .small :is(.g3x-slab,.g3x-row){gap:1px}
.g3x .small .g3x-cell{min-width:0;width:var(--size);height:var(--size);padding:0;border-width:1px;border-radius:2px;font-size:11px;letter-spacing:-.04em}
.g3x .small .result{border-bottom-width:2px}
input.g3x-cell{width:44px;text-align:center;font:inherit}
@media (prefers-reduced-motion:no-preference){.g3x-cell{transition:background-color .12s}}
@media (max-width:480px){.g3x-controls{gap:.4rem .8rem}.g3x-controls fieldset{gap:.1rem .4rem}.g3x button{padding:.1rem .45rem}
  .g3x-cell{min-width:34px}input.g3x-cell{width:38px}.g3x .small{--size:19px}.g3x .small .g3x-cell{font-size:10px}}`;

const SVG = "http://www.w3.org/2000/svg";

/** An element: make("p.note", { title: "…" }, "text", child). */
export function make(kind, properties = {}, ...children) {
  const [name, ...classes] = kind.split(".");
  const el = document.createElement(name || "div");
  el.classList.add(...classes);
  for (const [key, value] of Object.entries(properties)) {
    if (key in el && !key.startsWith("aria")) el[key] = value;
    else el.setAttribute(key, value);
  }
  el.append(...children);
  return el;
}

/** An SVG element: draw("path", { d: "M0 0", class: "source" }). */
export function draw(name, attributes = {}, ...children) {
  const el = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) el.setAttribute(key, value);
  el.append(...children);
  return el;
}

/** A number as people write it: four digits, a real minus sign. */
export function say(value, digits = 4) {
  if (!Number.isFinite(value)) return String(value).replace("Infinity", "∞").replace("-", "−");
  return String(Number(value.toPrecision(digits))).replace("-", "−");
}

/** The float32 that is nearest. */
export const f32 = Math.fround;

/** A float32 as people write it: the shortest decimal that is this float32 and no other. */
export function exact(value) {
  for (let digits = 1; digits < 10; digits++) {
    const short = Number(value.toPrecision(digits));
    if (f32(short) !== value) continue;
    const [plain, power] = [String(short), short.toExponential().replace("e+", "e")];
    return (power.length < plain.length - 2 ? power : plain).replace("-", "−");
  }
  return say(value);
}

/** The same numbers in a random order, another one where there is another. */
export function shuffled(order) {
  const fresh = order.map((m) => [Math.random(), m]).sort(([a], [b]) => a - b).map(([, m]) => m);
  return String(fresh) === String(order) ? fresh.reverse() : fresh;
}

/** Torch's words for an index that is out of range. */
export const outOfBounds = (index, dim, size) => `index ${index} is out of bounds for dimension ${dim} with size ${size}`;

/** The frame that a widget fills, with its own style. `view.end` is what its render function returns. */
export function frame(model, el, label, style = "") {
  const life = new AbortController();
  const listeners = [];
  const controls = make(".g3x-controls");
  const stage = make(".g3x-stage");
  const overlay = draw("svg", { class: "g3x-arrows", "aria-hidden": "true" });
  const call = make("code.g3x-call");
  const line = make("p.g3x-line");
  const refusal = make("p.g3x-refusal", { role: "alert" });
  const said = make("p.g3x-said", { role: "status" });
  const root = make(".g3x", { role: "group", "aria-label": label }, make("style", {}, STYLE + style), controls, stage, call, line, refusal, said);
  root.model = model; // for whoever looks from outside: tests, a console
  stage.append(overlay);
  el.append(root);
  let waiting = 0;
  const painters = [];
  const paint = () => {
    waiting = 0;
    if (root.clientWidth) for (const painter of painters) painter();
    else view.repaint(); // out of sight for now, as while JupyterLab changes its theme
  };
  const view = {
    model, root, controls, stage, overlay,
    /** The call that the picture shows, as it stands in a program. */
    call: (text) => { if (call.textContent !== text) call.textContent = text; },
    /** A line of code that says what happens, in monospace. */
    line: (text) => { if (line.textContent !== text) line.textContent = text; },
    /** Words for a live region: what changed. */
    say: (text) => { if (said.textContent !== text) said.textContent = text; },
    /** Words of a refusal, or "" where there is none. */
    refuse: (text) => { if (refusal.textContent !== text) refusal.textContent = text; },
    listen: (target, type, act, options = {}) => target.addEventListener(type, act, { ...options, signal: life.signal }),
    /** Call when one of these traits changes, from here or from Python. */
    follow: (names, act) => {
      for (const name of names.split(" ")) {
        model.on(`change:${name}`, act);
        listeners.push([`change:${name}`, act]);
      }
    },
    /** Paint in the next frame, however often it is asked for until then. */
    repaint: () => { waiting ||= requestAnimationFrame(paint); },
    onpaint: (painter) => { painters.push(painter); view.repaint(); },
    get: (names) => Object.fromEntries(names.split(" ").map((name) => [name, model.get(name)])),
    set: (values) => { model.set(values); model.save_changes(); },
    onend: (act) => life.signal.addEventListener("abort", act),
    end: () => {
      cancelAnimationFrame(waiting);
      for (const [name, act] of listeners) model.off(name, act);
      life.abort();
      root.remove();
    },
  };
  // whatever has the focus keeps its arrow keys, which JupyterLab would take for commands of its own
  view.listen(root, "focusin", ({ target }) => target.setAttribute("data-lm-suppress-shortcuts", "true"));
  const sizes = new ResizeObserver(view.repaint);
  sizes.observe(stage);
  view.onend(() => sizes.disconnect());
  return view;
}

// ---- controls, each tied to one trait

/** One of a few: options are [value, words]. */
export function choice(view, name, label, options) {
  const group = `g3x-${Math.random().toString(36).slice(2)}`;
  const field = make("fieldset", { "data-control": name }, make("legend", {}, label));
  const inputs = options.map(([value, words]) => {
    const input = make("input", { type: "radio", name: group });
    view.listen(input, "change", () => view.set({ [name]: value }));
    field.append(make("label", {}, input, words));
    return [value, input];
  });
  const show = () => { for (const [value, input] of inputs) input.checked = view.model.get(name) === value; };
  view.follow(name, () => { show(); view.repaint(); });
  show();
  view.controls.append(field);
  return field;
}

/**
 * A number in a range; `words` turns it into text. Where `max` is a function, it and `read` (what the
 * trait counts as) may depend on other traits.
 */
export function range(view, name, label, { min, max, step = 1, words = say, read = (value) => value }) {
  const shown = make("output");
  const input = make("input", { type: "range", "aria-label": label });
  const most = typeof max === "function" ? max : () => max;
  Object.assign(input, { min, step });
  const show = () => {
    const value = read(view.model.get(name)), text = words(value);
    Object.assign(input, { max: most(), value });
    if (shown.textContent === text) return;
    shown.textContent = text;
    input.setAttribute("aria-valuetext", text);
  };
  if (most === max) view.onpaint(show);
  view.listen(input, "input", () => view.set({ [name]: input.valueAsNumber }));
  view.follow(name, () => { show(); view.repaint(); });
  show();
  const whole = make("label", { "data-control": name }, make("b", {}, label), input, shown);
  view.controls.append(whole);
  return input;
}

/** Yes or no. */
export function tick(view, name, label) {
  const input = make("input", { type: "checkbox" });
  const show = () => { input.checked = view.model.get(name); };
  view.listen(input, "change", () => view.set({ [name]: input.checked }));
  view.follow(name, () => { show(); view.repaint(); });
  show();
  view.controls.append(make("label", { "data-control": name }, input, label));
  return input;
}

export function button(view, label, act, name = label) {
  const el = make("button", { type: "button", "data-control": name }, label);
  view.listen(el, "click", act);
  view.controls.append(el);
  return el;
}

/** Controls that belong together, under one word. */
export function group(view, label, ...parts) {
  const field = make("fieldset", { "data-control": label }, make("legend", {}, label), ...parts);
  view.controls.append(field);
  return field;
}

/** Less and more of something: two small buttons under one word; act(-1), act(1). */
export function stepper(view, label, act) {
  const [less, more] = [["−", -1, "less"], ["+", 1, "more"]].map(([sign, by, word]) => {
    const el = button(view, sign, () => act(by), `${label}: one ${word}`);
    el.setAttribute("aria-label", `${label}: one ${word}`);
    return el;
  });
  return { field: group(view, label, less, more), less, more };
}

/**
 * Two buttons, play and step. `advance()` takes one step, in a promise that tells whether there are
 * more. `stop` is called by whatever the reader does instead, and by Escape.
 */
export function replay(view, advance, pause = 400) {
  let playing = 0, runs = 0;
  const stop = () => { playing = 0; play.textContent = "play"; };
  const play = button(view, "play", async () => {
    if (playing) return stop();
    const run = playing = ++runs;
    play.textContent = "pause";
    while (playing === run && (await advance()) && playing === run) await new Promise((go) => { setTimeout(go, still() ? 2 * pause : pause); });
    if (playing === run) stop();
  });
  const step = button(view, "step", () => { stop(); advance(); });
  view.listen(view.root, "keydown", (event) => { if (event.key === "Escape") stop(); });
  view.onend(stop);
  return { play, step, stop };
}

// ---- numbers that are typed

const within = (list, [k, ...rest], number) => list.with(k, rest.length ? within(list[k], rest, number) : number);

/**
 * What the cells of some traits take: wanted = { index: [Number.isInteger, "a whole number"] }.
 * `set` puts a typed number into its trait; one that does not fit stays in its cell, and in `words`.
 */
export function typing(view, wanted) {
  let typed = null;
  view.follow(Object.keys(wanted).join(" "), () => { typed = null; });
  return {
    /** A table whose cells set this trait. */
    field(name, options) {
      return table(view, name, { ...options, onedit: (place, text) => this.set(name, place, text) });
    },
    set(name, place, text) {
      const number = Number(text.trim().replace("−", "-"));
      const fits = text.trim() !== "" && wanted[name][0](number);
      typed = fits ? null : { name, place: String(place), text };
      if (fits) view.set({ [name]: within(view.model.get(name), place, number) });
      view.repaint();
    },
    /** What a cell shows: this, or what was typed there and does not fit. */
    cell: (name, place, shown) => (typed?.name === name && typed.place === String(place) ? { ...shown, text: typed.text, kind: "wrong" } : shown),
    words: () => typed && `${typed.name}: got ${JSON.stringify(typed.text)}, wanted ${wanted[typed.name][1]}`,
  };
}

// ---- tensors as tables of cells

/**
 * A tensor of one to three dimensions. `update(shape, cell)` draws it; cell(...place) says
 * { text, kind, mark, dim, title }. Arrow keys move among the cells, Home and End along a row.
 * `onfocus(place)` is called when a cell is pointed at or focused, with null when it is left.
 * With `onedit(place, text)`, cells are fields: typing edits, up and down step the number.
 * `layers: ["z", 0]` writes "z 0", "z 1" … above the slabs of three dimensions; `small` makes the
 * cells squares of --size.
 */
export function table(view, name, { title = name, note = "", kind = "source", layers, small, onfocus, onedit } = {}) {
  const heading = make("p", {}, title, " ", make("small", {}, note));
  const cells = make(".g3x-cells", { role: "grid", "aria-label": title });
  const box = make(".g3x-table", { "data-table": name }, heading, cells);
  if (small) box.classList.add("small");
  view.stage.insertBefore(box, view.overlay);
  const found = new Map();
  let drawn = "", here = "";

  const key = (place) => place.join(",");
  const at = (el) => el.dataset.place?.split(",").map(Number);

  function build(shape) {
    const [slabs, rows, columns] = [...Array(3 - shape.length).fill(1), ...shape];
    found.clear();
    cells.replaceChildren();
    for (let a = 0; a < slabs; a++) {
      const slab = make(".g3x-slab", { role: "rowgroup" });
      if (layers) slab.append(make(".g3x-layer", { "aria-hidden": "true" }, `${layers[0]} ${say(layers[1] + a)}`));
      for (let b = 0; b < rows; b++) {
        const row = make(".g3x-row", { role: "row" });
        for (let c = 0; c < columns; c++) {
          const place = [a, b, c].slice(3 - shape.length);
          const cell = onedit
            ? make("input.g3x-cell", { type: "text", inputMode: "numeric", autocomplete: "off", "aria-label": `${title} ${place}` })
            : make(".g3x-cell", { role: "gridcell" });
          cell.dataset.place = key(place);
          cell.tabIndex = -1;
          row.append(onedit ? make("div", { role: "gridcell" }, cell) : cell);
          found.set(key(place), cell);
        }
        slab.append(row);
      }
      cells.append(slab);
    }
    if (!found.has(here)) here = found.keys().next().value;
    if (found.has(here)) found.get(here).tabIndex = 0;
  }

  function move(cell) {
    if (!cell) return;
    if (found.has(here)) found.get(here).tabIndex = -1;
    here = cell.dataset.place;
    cell.tabIndex = 0;
    cell.focus();
    if (onedit) cell.select();
  }

  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  view.listen(cells, "keydown", (event) => {
    const place = at(event.target);
    if (!place) return;
    const last = place.length - 1;
    if (onedit && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
      event.preventDefault();
      const value = Number(event.target.value.replace("−", "-"));
      onedit(place, String((Number.isNaN(value) ? 0 : value) + (event.key === "ArrowUp" ? 1 : -1)));
    } else if (event.key in moves) {
      event.preventDefault();
      const [dx, dy] = moves[event.key];
      const next = [...place];
      next[last] += dx;
      if (last) next[last - 1] += dy;
      else next[0] += dy;
      if (last === 2 && dx && !found.has(key(next))) { // from the end of a row into the next slab
        next[0] += dx;
        next[2] = dx > 0 ? 0 : Number(drawn.split("×")[2]) - 1;
      }
      move(found.get(key(next)));
    } else if (event.key === "Enter" && onedit) {
      onedit(place, event.target.value);
      event.target.select();
    } else if (event.key === "Home" || event.key === "End") {
      const row = [...event.target.closest(".g3x-row").querySelectorAll("[data-place]")];
      event.preventDefault();
      move(event.key === "Home" ? row[0] : row.at(-1));
    } else if (event.key === "Escape") {
      event.target.blur();
      onfocus?.(null);
    }
  });
  if (onedit) view.listen(cells, "change", (event) => onedit(at(event.target), event.target.value));
  if (onfocus) {
    view.listen(cells, "focusin", (event) => {
      const place = at(event.target);
      if (place) { here = key(place); onfocus(place); }
      if (onedit) event.target.select();
    });
    view.listen(cells, "pointerover", (event) => { const place = at(event.target); if (place) onfocus(place); });
    view.listen(cells, "pointerdown", (event) => { const place = at(event.target); if (place && !onedit) move(event.target); });
  }

  return {
    box, cells,
    cell: (...place) => found.get(key(place)),
    note: (text) => { heading.lastChild.textContent = text; },
    title: (text) => { heading.firstChild.data = text; },
    update(shape, cell) {
      const wanted = shape.join("×");
      if (wanted !== drawn) build(shape);
      drawn = wanted;
      for (const [place, el] of found) {
        const { text, kind: own = kind, mark, dim, title: words } = cell(...place.split(",").map(Number));
        const classes = `g3x-cell ${own}${mark ? " mark" : ""}${dim ? " dim" : ""}`;
        if (el.className !== classes) el.className = classes;
        if (onedit) {
          if (el.dataset.shown !== text) {
            el.value = el.dataset.shown = text;
            if (el === document.activeElement) el.select();
          }
        } else if (el.textContent !== text) el.textContent = text;
        if (words && el.title !== words) el.title = words;
      }
    },
  };
}

/** Tables on one sheet, with the arrows; where it is too wide for the frame it scrolls inside itself. */
export function sheet(view, kind, ...tables) {
  const flow = make(`.g3x-sheet.${kind}`, {}, ...tables.map(({ box }) => box), view.overlay);
  const scroll = make(".g3x-scroll", {}, flow);
  view.stage.append(scroll);
  const sizes = new ResizeObserver(() => { scroll.tabIndex = scroll.scrollWidth > scroll.clientWidth ? 0 : -1; });
  for (const each of [flow, scroll]) sizes.observe(each);
  view.onend(() => sizes.disconnect());
  return flow;
}

const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Words fly from one cell to another, at once where motion is not wanted; a promise whether the view still stands. */
export async function fly(view, from, to, words, kind = "source") {
  if (!from || !to || still()) return true;
  const base = view.overlay.getBoundingClientRect();
  const [a, b] = [from, to].map((cell) => cell.getBoundingClientRect());
  const at = ({ left, top }) => ({ transform: `translate(${left - base.left}px,${top - base.top}px)` });
  const copy = make(`.g3x-cell.${kind}.g3x-flying`, { "aria-hidden": "true" }, words);
  copy.style.cssText = `width:${a.width}px;height:${a.height}px`;
  view.overlay.before(copy);
  await copy.animate([at(a), at(b)], { duration: 450, easing: "ease-in-out" }).finished;
  copy.remove();
  return view.root.isConnected;
}

/** Arrows between cells: { from, to, kind }. They follow the cells when the frame is resized. */
export function arrows(view, list) {
  const base = view.overlay.getBoundingClientRect();
  const shapes = list.filter(({ from, to }) => from && to).map(({ from, to, kind = "index" }) => {
    const [a, b] = [from, to].map((el) => el.getBoundingClientRect());
    const beside = Math.abs(a.top - b.top) < a.height && Math.abs(a.left - b.left) > a.width;
    const down = b.top > a.top;
    const start = beside
      ? [b.left > a.left ? a.right : a.left, a.top + a.height / 2]
      : [a.left + a.width / 2, down ? a.bottom : a.top];
    const end = beside
      ? [b.left > a.left ? b.left : b.right, b.top + b.height / 2]
      : [b.left + b.width / 2, down ? b.top : b.bottom];
    const [x0, y0, x1, y1] = [start[0] - base.left, start[1] - base.top, end[0] - base.left, end[1] - base.top];
    const bend = beside ? [(x0 + x1) / 2, y0, (x0 + x1) / 2, y1] : [x0, (y0 + y1) / 2, x1, (y0 + y1) / 2];
    const angle = Math.atan2(y1 - bend[3], x1 - bend[2]);
    const head = [-0.45, 0.45].map((turn) => `${x1 - 8 * Math.cos(angle + turn)} ${y1 - 8 * Math.sin(angle + turn)}`);
    return draw("g", { class: kind },
      draw("path", { d: `M${x0} ${y0}C${bend.join(" ")} ${x1} ${y1}`, style: "fill:none;stroke:var(--c);stroke-width:2" }),
      draw("path", { d: `M${head[0]}L${x1} ${y1}L${head[1]}Z`, style: "fill:var(--c)" }));
  });
  view.overlay.replaceChildren(...shapes);
}
//#endregion
