// The widget host. A widget's state and its modules are loaded when the reader comes near it, each
// once for the page; the module then gets the front-end interface of anywidget, less the kernel.
// book/_ext/gather3d_book/widgets.py says what differs from a notebook.

(() => {
  "use strict";

  const NEAR = "400px"; // how far below and above the window a widget is there already
  const NO_PYTHON = "a page has no Python that could answer";
  const REFERENCE = /^(?:IPY_MODEL_|anywidget:)/;

  const load = window.g3Load; // figures.js
  const models = new Map(); // name -> Model, however many views show it
  const addresses = new Map(); // hash of a module -> promise of the address that imports it
  const styles = new Map(); // hash of a style sheet -> promise
  const bindings = new Map(); // Model -> promise of { widget, exports }

  function once(map, key, make) {
    if (!map.has(key)) map.set(key, make());
    return map.get(key);
  }

  // ---- code

  // A page opened from disk may import no file, but it may load a script that holds a module's text.
  function address(hash, folder) {
    return once(addresses, hash, async () => {
      await load(`${folder}${hash}.js`);
      const { text, imports } = window.g3Modules[hash];
      let head = ""; // in the first line, so that errors name the right one
      for (const { module, names } of imports) {
        head += `import { ${names.join(", ")} } from "${await address(module, folder)}"; `;
      }
      return URL.createObjectURL(new Blob([head, text], { type: "text/javascript" }));
    });
  }

  function add_style(hash, folder) {
    return once(styles, hash, () => new Promise((resolve, reject) => {
      const link = document.createElement("link");
      Object.assign(link, { rel: "stylesheet", href: `${folder}${hash}.css`, onload: resolve });
      link.onerror = () => reject(new Error(`could not load ${link.href}`));
      document.head.append(link);
    }));
  }

  // ---- models

  // Events as Backbone fires them: for each value that is new its own, then one for all.
  class Model {
    #state;
    #listeners = [];
    #changing = false;
    #pending = false;

    constructor({ state, buffers = [], module, style }, folder) {
      this.#state = state;
      for (const { path, data } of buffers) put(state, path, bytes(data));
      Object.assign(this, { module, style, folder, widget_manager: { get_model } });
    }

    get(name) {
      return this.#state[name];
    }

    set(name, value, options = {}) {
      const values = typeof name === "object" ? name : { [name]: value };
      if (typeof name === "object") options = value ?? {};
      const fresh = Object.keys(values).filter((key) => !same(this.#state[key], values[key]));
      Object.assign(this.#state, values);
      if (fresh.length) this.#pending = true;
      const outermost = !this.#changing;
      this.#changing = true;
      try {
        for (const key of fresh) this.#fire(`change:${key}`, this, this.#state[key], options);
        while (outermost && this.#pending) {
          this.#pending = false;
          this.#fire("change", this, options);
        }
      } finally {
        if (outermost) this.#changing = false;
      }
      return this;
    }

    on(names, callback, owner) {
      for (const name of names.split(/\s+/)) this.#listeners.push({ name, callback, owner });
      return this;
    }

    off(names, callback, owner) {
      const chosen = names?.split(/\s+/);
      this.#listeners = this.#listeners.filter((listener) => !(
        (!chosen || chosen.includes(listener.name))
        && (!callback || callback === listener.callback)
        && (!owner || owner === listener.owner)
      ));
      return this;
    }

    save_changes() {}

    send() {}

    #fire(name, ...what) {
      for (const listener of this.#listeners) {
        if (listener.name === name) listener.callback.apply(listener.owner, what);
      }
    }

    // What a module sees: `off` without words forgets the listeners of this view alone.
    seen_by(owner) {
      return {
        get: (name) => this.get(name),
        set: (...what) => this.set(...what),
        save_changes: () => this.save_changes(),
        send: () => this.send(),
        on: (names, callback) => { this.on(names, callback, owner); },
        off: (names, callback) => { this.off(names, callback, owner); },
        widget_manager: this.widget_manager,
      };
    }
  }

  async function get_model(reference) {
    const model = models.get(String(reference).replace(REFERENCE, ""));
    if (!model) throw new Error(`this page has no widget ${reference}`);
    if (model.module) bind(model).catch((error) => console.error(error));
    return model;
  }

  function bytes(base64) {
    const text = atob(base64);
    return new DataView(Uint8Array.from(text, (letter) => letter.charCodeAt(0)).buffer);
  }

  function put(state, path, value) {
    const last = path.length - 1;
    path.slice(0, last).reduce((inside, key) => inside[key], state)[path[last]] = value;
  }

  function same(a, b) {
    if (Object.is(a, b)) return true;
    if (typeof a !== "object" || typeof b !== "object" || !a || !b) return false;
    if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
    if (ArrayBuffer.isView(a)) {
      const [left, right] = [a, b].map((view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
      return left.length === right.length && left.every((byte, place) => byte === right[place]);
    }
    if (![Object.prototype, Array.prototype].includes(Object.getPrototypeOf(a))) return false;
    const keys = Object.keys(a);
    return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]));
  }

  // ---- from a model to what is seen

  const experimental = { invoke: () => Promise.reject(new Error(NO_PYTHON)) };

  function bind(model) {
    return once(bindings, model, async () => {
      const [source] = await Promise.all([
        address(model.module, model.folder),
        model.style && add_style(model.style, model.folder),
      ]);
      const module = await import(source);
      const widget = module.render
        ? { render: module.render }
        : typeof module.default === "function" ? await module.default() : module.default;
      if (!widget) throw new Error("the module of this widget has no default export");
      const { signal } = new AbortController(); // a model lives as long as its page
      const result = await widget.initialize?.({ model: model.seen_by({}), signal, experimental });
      return { widget, exports: typeof result === "object" ? result : undefined };
    });
  }

  async function show(model, el, signal) {
    const { widget } = await bind(model);
    if (!widget.render) throw new Error("the module of this widget has no render");
    el.classList.add(...(model.get("_dom_classes") ?? []));
    const owner = {};
    let clean;
    const leave = () => {
      model.off(null, null, owner);
      if (typeof clean === "function") clean();
    };
    try {
      clean = await widget.render({ model: model.seen_by(owner), el, signal, host: host(signal), experimental });
    } catch (error) {
      leave();
      throw error;
    }
    if (signal.aborted) leave();
    else signal.addEventListener("abort", leave);
  }

  // What a widget uses to show others.
  function host(signal) {
    return {
      getModel: async (reference) => {
        const model = await get_model(reference);
        const owner = {};
        signal.addEventListener("abort", () => model.off(null, null, owner));
        return model.seen_by(owner);
      },
      getWidget: async (reference) => {
        const model = await get_model(reference);
        const { exports } = await bind(model);
        return { exports, render: ({ el, signal: own = signal }) => show(model, el, own) };
      },
    };
  }

  // ---- places on the page

  async function mount(place) {
    const { widget: name, name: file, src, modules } = place.dataset;
    const waiting = place.querySelector(".g3-waiting");
    const view = document.createElement("div");
    const life = new AbortController();
    view.className = "g3-view";
    try {
      await load(new URL(src, document.baseURI).href);
      const folder = new URL(modules, document.baseURI).href;
      for (const [key, content] of Object.entries(window.g3Widgets[file])) {
        once(models, key, () => new Model(content, folder));
      }
      place.append(view);
      await show(models.get(name), view, life.signal);
      waiting.hidden = true;
      place.dataset.mounted = "";
    } catch (error) {
      life.abort();
      view.remove();
      waiting.textContent = `This widget could not be run. It shows: ${place.getAttribute("aria-label")}`;
      console.error(error);
    }
  }

  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((each) => each.isIntersecting)) {
      observer.unobserve(entry.target);
      mount(entry.target);
    }
  }, { rootMargin: `${NEAR} 0px` });

  for (const place of document.querySelectorAll(".g3-widget[data-src]")) observer.observe(place);
})();
