// The figure loader. A figure's data and plotly.js are loaded when the reader comes near the figure;
// a figure in the page's colours is drawn again in the new ones when the theme is switched; figures
// that are out of sight give their WebGL context back before a fifth one would live.

(() => {
  "use strict";

  const CONTEXTS = 4; // browsers keep 8 to 16 for all tabs; book/_ext/gather3d_book/figures.py has the same number
  const NEAR = "400px"; // how far below and above the window a figure is drawn already
  const ROLES = ["source", "index", "result", "missing", "wrong", "ink", "line"];
  const CONFIG = {
    responsive: true,
    displaylogo: false,
    modeBarButtonsToRemove: ["sendDataToCloud", "select2d", "lasso2d", "autoScale2d", "hoverClosest3d", "tableRotation"],
  };

  const script = document.currentScript;
  const plotlyURL = new URL(script.dataset.plotly, script.src).href;
  const loaded = new Map(); // address of a script -> promise
  const figures = []; // {element, contexts, near, live, data, cameras}

  function load(url) {
    if (!loaded.has(url)) {
      loaded.set(url, new Promise((resolve, reject) => {
        const tag = document.createElement("script");
        tag.src = url;
        tag.onload = resolve;
        tag.onerror = () => reject(new Error(`could not load ${url}`));
        document.head.append(tag);
      }));
    }
    return loaded.get(url);
  }

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
    const ink = style.getPropertyValue("--g3-ink").trim();
    const paper = style.getPropertyValue("--g3-paper").trim();
    const colours = palette();
    const { data, layout = {}, frames = [] } = recoloured(figure.json, colours);
    const { width, ...rest } = layout;
    const themedLayout = {
      ...rest,
      autosize: true,
      height: figure.height,
      uirevision: "kept", // what the reader turned stays turned when the colours change
      paper_bgcolor: "rgba(0,0,0,0)",
      font: { family: style.getPropertyValue("--pst-font-family-base").trim() || "sans-serif", ...rest.font, color: ink },
      hoverlabel: { bgcolor: paper, bordercolor: ink, ...rest.hoverlabel, font: { color: ink } },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: ink, activecolor: style.getPropertyValue("--g3-source").trim() },
    };
    for (const [scene, camera] of Object.entries(figure.cameras)) {
      themedLayout[scene] = { ...themedLayout[scene], camera };
    }
    return { data, layout: themedLayout, frames };
  }

  // ---- drawing

  async function draw(figure) {
    figure.live = true;
    try {
      await Promise.all([load(plotlyURL), load(figure.src)]);
    } catch (error) {
      figure.live = false;
      figure.waiting.textContent = `This figure could not be loaded. It shows: ${figure.alt}`;
      throw error;
    }
    if (!figure.live) return; // given up while loading
    figure.json = window.g3Figures[figure.name];
    const canvas = document.createElement("div");
    canvas.className = "g3-canvas";
    figure.waiting.hidden = true;
    figure.element.append(canvas);
    figure.canvas = canvas;
    const { data, layout, frames } = themed(figure);
    await window.Plotly.newPlot(canvas, data, layout, CONFIG);
    if (frames.length) await window.Plotly.addFrames(canvas, frames);
    figure.element.dataset.drawn = "";
  }

  function give_back(figure) {
    figure.live = false;
    const { canvas } = figure;
    if (!canvas) return;
    for (const [key, value] of Object.entries(canvas._fullLayout ?? {})) {
      if (/^scene\d*$/.test(key) && value?.camera) figure.cameras[key] = structuredClone(value.camera);
    }
    const contexts = [...canvas.querySelectorAll("canvas")].map((c) => c.getContext("webgl2") ?? c.getContext("webgl"));
    window.Plotly.purge(canvas);
    for (const context of contexts) context?.getExtension("WEBGL_lose_context")?.loseContext();
    canvas.remove();
    figure.canvas = null;
    figure.waiting.hidden = false;
    delete figure.element.dataset.drawn;
  }

  function distance(figure) {
    const box = figure.element.getBoundingClientRect();
    return Math.abs((box.top + box.bottom - innerHeight) / 2);
  }

  // Draw what is near, the nearest first; what is far and holds a context gives it back when needed.
  function update() {
    const order = [...figures].sort((a, b) => distance(a) - distance(b));
    let free = CONTEXTS;
    const wanted = new Set();
    for (const figure of order) {
      if (figure.near && figure.contexts <= free) {
        wanted.add(figure);
        free -= figure.contexts;
      }
    }
    for (const figure of order) {
      if (!figure.live || wanted.has(figure) || figure.contexts === 0) continue;
      if (figure.contexts <= free) free -= figure.contexts; // nobody needs it: it may stay
      else give_back(figure);
    }
    for (const figure of order) {
      if (wanted.has(figure) && !figure.live) draw(figure);
    }
  }

  function switch_theme() {
    for (const figure of figures) {
      if (!figure.live || !figure.canvas?._fullLayout) continue;
      const { data, layout, frames } = themed(figure);
      window.Plotly.react(figure.canvas, data, layout, CONFIG).then(() => {
        if (frames.length) window.Plotly.addFrames(figure.canvas, frames, frames.map((_, i) => i));
      });
    }
  }

  // ---- start

  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      figures.find((figure) => figure.element === entry.target).near = entry.isIntersecting;
    }
    update();
  }, { rootMargin: `${NEAR} 0px` });

  for (const element of document.querySelectorAll(".g3-plot[data-src]")) {
    figures.push({
      element,
      name: element.dataset.figure,
      src: new URL(element.dataset.src, document.baseURI).href,
      contexts: Number(element.dataset.contexts),
      height: parseInt(element.style.height, 10),
      alt: element.getAttribute("aria-label"),
      waiting: element.querySelector(".g3-waiting"),
      near: false,
      live: false,
      canvas: null,
      cameras: {},
    });
    observer.observe(element);
  }

  if (figures.length) {
    new MutationObserver(switch_theme).observe(document.documentElement, {
      attributes: true,
      attributeFilter: ["data-theme"],
    });
  }
})();
