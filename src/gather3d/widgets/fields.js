//#region fields
// A whole number that is typed or stepped, a key to the signs of a picture, and a place where what is
// too wide scrolls. Nothing is imported: a page loads this as a module of its own.

const SIGNS = { dot: "M7 3a4 4 0 1 0 .01 0Z", square: "M3 3h8v8h-8Z", ring: "M7 2a5 5 0 1 0 .01 0Z", box: "M2 2h10v10h-10Z" };

function built(parent, kind, rest = {}, style = "") {
  return parent.appendChild(Object.assign(document.createElement(kind), rest, { style }));
}

/**
 * Two buttons and a field for a row: `step(by)` moves it, `type(number)` sets it or returns why not.
 * `show(value)` writes it; `words()` says what was wrong with what was typed, until it is mended.
 */
export function stepper(view, name, label, { step, type }) {
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
  };
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
