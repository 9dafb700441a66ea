// The figure loader. A figure's poster stands in its place until the reader does something on the page
// and comes near the figure: then its data and plotly.js are loaded, and it is drawn. A figure without
// a poster is drawn as soon as it is near. A figure in the page's colours is drawn again in the new
// ones when the theme is switched; figures that are out of sight give their WebGL context back before
// a fifth one would live, and their poster is there again.

(() => {
  "use strict";

  const CONTEXTS = 4; // browsers keep 8 to 16 for all tabs; book/_ext/gather3d_book/figures.py has the same number
  const NEAR = "400px"; // how far below and above the window a figure is drawn already
  const ROLES = ["source", "index", "result", "missing", "wrong", "ink", "line"];
  const ROOM = 1.12; // how much further than its figure says a camera stands
  const ACTS = ["scroll", "wheel", "pointermove", "pointerdown", "touchstart", "keydown", "focusin", "input"];
  const TOUCHES = ["pointerdown", "focusin", "input"]; // of one figure
  const WIDE = 1.35; // and further still where width over height is less than this
  const CONFIG = {
    responsive: true,
    displaylogo: false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "tableRotation", "resetCameraLastSave3d"],
  };

  const script = document.currentScript;
  const plotlyURL = new URL(script.dataset.plotly, script.src).href;
  const loaded = new Map(); // address of a script -> promise
  const figures = []; // see the end of this file

  function load(url) {
    if (!loaded.has(url)) {
      loaded.set(url, new Promise((resolve, reject) => {
        const tag = document.createElement("script");
        tag.src = url;
        tag.onload = resolve;
        tag.onerror = () => {
          loaded.delete(url); // the next figure that needs it tries again
          reject(new Error(`could not load ${url}`));
        };
        document.head.append(tag);
      }));
    }
    return loaded.get(url);
  }
  window.g3Load = load; // for widgets.js, which a page loads after this file

  // ---- colours

  // The values that gather3d.figures writes, each with what the page shows for it now.
  function palette() {
    const style = getComputedStyle(document.documentElement);
    const value = (name) => style.getPropertyValue(name).trim();
    const colours = new Map();
    for (const role of ROLES) {
      colours.set(value(`--g3-python-${role}`).toLowerCase(), value(`--g3-${role}`));
    }
    return colours;
  }

  function recoloured(value, colours) {
    if (typeof value === "string") return colours.get(value.toLowerCase()) ?? value;
    if (Array.isArray(value)) return value.map((item) => recoloured(item, colours));
    if (value === null || typeof value !== "object" || ArrayBuffer.isView(value)) return value;
    if ("bdata" in value) return { ...value };
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, recoloured(item, colours)]));
  }

  function themed(figure) {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--g3-${name}`).trim();
    const { data, layout = {}, frames = [] } = recoloured(figure.json, palette());
    const { width, sliders, updatemenus, ...rest } = layout;
    const shown = {
      ...rest,
      autosize: true,
      height: figure.height,
      uirevision: "kept", // what the reader turned stays turned when the colours change
      paper_bgcolor: "rgba(0,0,0,0)",
      font: { ...rest.font, color: colour("ink"), family: style.getPropertyValue("--pst-font-family-base") || "sans-serif" },
      hoverlabel: { bgcolor: colour("paper"), bordercolor: colour("ink"), ...rest.hoverlabel, font: { color: colour("ink") } },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("ink"), activecolor: colour("source") },
    };
    for (const key of Object.keys(shown).filter((name) => /^scene\d*$/.test(name))) {
      shown[key] = { ...shown[key], camera: figure.cameras[key] ?? fitted(shown[key].camera, figure) };
    }
    return { data, layout: shown, frames, config: CONFIG };
  }

  // Step back a little, so that the titles of the axes fit, and more where the figure is narrow.
  function fitted(camera, figure) {
    if (!camera?.eye) return camera;
    const { t = 0, b = 0 } = figure.json.layout.margin ?? {};
    const back = Math.max(ROOM, (WIDE * (figure.height - t - b)) / figure.element.clientWidth);
    const eye = Object.fromEntries(Object.entries(camera.eye).map(([axis, value]) => [axis, value * back]));
    return { ...camera, eye };
  }

  // ---- drawing

  async function draw(figure) {
    const canvas = document.createElement("div");
    figure.canvas = canvas; // taken away again when the figure is given back meanwhile
    canvas.className = "g3-canvas";
    try {
      await Promise.all([load(plotlyURL), load(figure.src)]);
    } catch (error) {
      figure.canvas = null;
      say(figure, figure.poster ? "The live figure could not be loaded." : `This figure could not be loaded. It shows: ${figure.alt}`);
      throw error;
    }
    if (figure.canvas !== canvas) return;
    figure.json = window.g3Figures[figure.name];
    figure.element.append(canvas);
    leave_scrolling_to_the_page(canvas);
    await window.Plotly.newPlot(canvas, themed(figure));
    await painted();
    if (figure.canvas !== canvas) return;
    if (figure.slider && figure.slider.step !== figure.slider.active) await go_to(figure, figure.slider.step);
    show(figure);
    say(figure, "");
  }

  // The stylesheet shows the canvas from now on, and no longer the poster.
  function show(figure) {
    figure.element.dataset.drawn = document.documentElement.dataset.theme;
  }

  // A scene is on the screen one frame after plotly is done with it.
  function painted() {
    return new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  }

  function give_back(figure) {
    const { canvas } = figure;
    figure.canvas = null;
    delete figure.element.dataset.drawn;
    if (!canvas._fullLayout) return; // not drawn yet
    for (const [key, scene] of Object.entries(canvas._fullLayout)) {
      if (/^scene\d*$/.test(key)) figure.cameras[key] = structuredClone(scene.camera);
    }
    const contexts = [...canvas.querySelectorAll("canvas")].map((c) => c.getContext("webgl2") ?? c.getContext("webgl"));
    window.Plotly.purge(canvas);
    for (const context of contexts) context?.getExtension("WEBGL_lose_context")?.loseContext();
    canvas.remove();
  }

  // A line at the foot of the poster; where there is no poster, in its place.
  function say(figure, words) {
    if (figure.poster) figure.words.textContent = words;
    else if (words) figure.waiting.textContent = words;
  }

  // Draw what is near, the nearest first; what is far and holds a context gives it back when needed.
  function update() {
    const middle = (box) => Math.abs((box.top + box.bottom - innerHeight) / 2);
    for (const figure of figures) {
      figure.distance = figure === touched ? -1 : middle(figure.element.getBoundingClientRect());
    }
    const order = [...figures].sort((a, b) => a.distance - b.distance);
    let free = CONTEXTS;
    const wanted = new Set();
    for (const figure of order) {
      if (figure.near && (acted || !figure.poster) && figure.contexts <= free) {
        wanted.add(figure);
        free -= figure.contexts;
      }
    }
    for (const figure of order) {
      if (!figure.canvas || wanted.has(figure) || figure.contexts === 0) continue;
      if (figure.contexts <= free) free -= figure.contexts; // nobody needs it: it may stay
      else give_back(figure);
    }
    for (const figure of order) {
      if (wanted.has(figure) && !figure.canvas) draw(figure);
    }
  }

  async function switch_theme() {
    for (const figure of figures) {
      const { canvas } = figure;
      if (!canvas?._fullLayout) continue;
      await window.Plotly.react(canvas, themed(figure));
      if (figure.slider) await go_to(figure, figure.slider.step);
      await painted();
      if (figure.canvas === canvas) show(figure);
    }
  }

  // ---- controls

  // The wheel zooms a scene once the reader has taken hold of it; until then it scrolls the page.
  function leave_scrolling_to_the_page(canvas) {
    let held = false;
    canvas.addEventListener("pointerdown", () => { held = true; });
    canvas.addEventListener("pointerleave", () => { held = false; });
    canvas.addEventListener("wheel", (event) => { if (!held) event.stopPropagation(); }, { capture: true });
  }

  // Plotly draws a slider that no keyboard reaches. The page's own control moves through its steps,
  // and is there before the figure is: it moves the poster to life.
  function add_slider(figure) {
    const { active, prefix, labels } = figure.slider;
    const words = document.createElement("span");
    const range = document.createElement("input");
    Object.assign(range, { type: "range", min: 0, max: labels.length - 1, step: 1, autocomplete: "off", value: active });
    range.setAttribute("aria-label", (prefix || "step").replace(/[:\s]+$/, ""));
    const control = document.createElement("div");
    control.className = "g3-slider";
    control.append(words, range);
    wake(control, prefix, labels, (step) => {
      figure.slider.step = step;
      if ("drawn" in figure.element.dataset) go_to(figure, step);
    });
    control.dataset.poster = words.textContent; // for print
    figure.element.prepend(control);
  }

  // A control of a few steps: its words say where it stands.
  function wake(control, prefix, labels, go_to_step) {
    const [words, range] = control.children;
    const go = () => {
      const step = range.valueAsNumber;
      words.textContent = `${prefix}${labels[step]}`;
      range.setAttribute("aria-valuetext", labels[step]);
      go_to_step(step);
    };
    range.addEventListener("input", go);
    range.disabled = false;
    go();
  }

  function go_to(figure, step) {
    const frame = figure.json.layout.sliders[0].steps[step].args[0];
    const at_once = { mode: "immediate", frame: { duration: 0, redraw: true }, transition: { duration: 0 } };
    return window.Plotly.animate(figure.canvas, frame, at_once);
  }

  // Who takes hold of a poster wants that figure first, and sees that it is on its way.
  function touch(figure) {
    touched = figure;
    if (!("drawn" in figure.element.dataset)) say(figure, "The live figure is loading …");
    update();
  }

  // ---- start

  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      figures.find((figure) => figure.element === entry.target).near = entry.isIntersecting;
    }
    update();
  }, { rootMargin: `${NEAR} 0px` });

  let acted = false; // has the reader done anything on this page?
  let touched = null; // the figure that the reader took hold of last

  for (const element of document.querySelectorAll(".g3-plot[data-src]")) {
    const figure = {
      element,
      name: element.dataset.figure,
      src: new URL(element.dataset.src, document.baseURI).href,
      contexts: Number(element.dataset.contexts),
      slider: JSON.parse(element.dataset.slider ?? "null"), // and the step where it stands
      height: parseInt(element.style.height, 10),
      alt: element.getAttribute("aria-label"),
      poster: element.querySelector(".g3-poster"),
      waiting: element.querySelector(".g3-waiting"),
      words: document.createElement("p"),
      near: false,
      canvas: null, // not null: it is drawn, or about to be
      cameras: {}, // where the reader left each scene's camera
    };
    figure.words.className = "g3-words";
    if (figure.poster) element.append(figure.words);
    if (figure.slider) add_slider(figure);
    for (const event of TOUCHES) element.addEventListener(event, () => touch(figure), { passive: true });
    figures.push(figure);
    observer.observe(element);
  }

  // The stills of a flat picture are part of the page: one of them is seen.
  for (const control of document.querySelectorAll(".g3-picture > .g3-slider")) {
    const stills = [...control.parentElement.querySelectorAll(".g3-still")];
    wake(control, control.dataset.prefix, stills.map((still) => still.dataset.label), (step) => {
      stills.forEach((still, k) => { still.hidden = k !== step; });
    });
  }

  if (figures.length) {
    const first = new AbortController();
    const act = ({ type, target }) => {
      if (type === "scroll" && target !== document) return; // the theme scrolls its sidebar by itself
      first.abort();
      acted = true;
      update();
    };
    for (const event of ACTS) addEventListener(event, act, { capture: true, passive: true, signal: first.signal });

    new MutationObserver(switch_theme).observe(document.documentElement, {
      attributes: true,
      attributeFilter: ["data-theme"],
    });
  }
})();
