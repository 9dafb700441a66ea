// GatherExplorer: input, index and output side by side. The rule is `read`, the rest is its picture.

function shapeOf(value) {
  return Array.isArray(value) ? [value.length, ...(value.length ? shapeOf(value[0]) : [])] : [];
}

function valueAt(value, place) {
  return place.reduce((inside, k) => inside[k], value);
}

function changed(value, [first, ...rest], fresh) {
  return value.map((item, k) => (k === first ? (rest.length ? changed(item, rest, fresh) : fresh) : item));
}

function placesOf(shape) {
  return shape.reduce((places, size) => places.flatMap((p) => [...Array(size).keys()].map((k) => [...p, k])), [[]]);
}

function filled(shape, value, place = []) {
  const [size, ...rest] = shape;
  return Array.from({ length: size }, (_, k) => (rest.length ? filled(rest, value, [...place, k]) : value([...place, k])));
}

/** Where output cell `place` reads: the same place, with the index's number along `dim`. */
function read(place, dim, number) {
  return place.map((k, d) => (d === dim ? number : k));
}

/** What torch.gather says to these shapes and numbers, "" where it answers. */
function refusalOf(inputShape, index, indexShape, dim) {
  if (inputShape.length !== indexShape.length) return "Index tensor must have the same number of dimensions as input tensor";
  if (indexShape.includes(0)) return "";
  for (let d = 0; d < dim + 0 || d < inputShape.length; d++) {
    if (d !== dim && indexShape[d] > inputShape[d]) {
      return `Size does not match at dimension ${d} expected index [${indexShape.join(", ")}] to be no larger than self `
        + `[${inputShape.join(", ")}] apart from dimension ${dim}`;
    }
  }
  for (const place of placesOf(indexShape)) {
    const number = valueAt(index, place);
    if (number < 0 || number >= inputShape[dim]) {
      return outOfBounds(number, dim, inputShape[dim]);
    }
  }
  return "";
}

export default {
  render({ model, el }) {
    const view = frame(model, el, "GatherExplorer: which input cell does each output cell read");
    const state = { here: null, typed: "" };

    // ---- what follows from the traits

    function now() {
      const input = model.get("input"), raw = model.get("index"), dim = model.get("dim");
      const shape = shapeOf(input);
      const expanded = model.get("expand") && shape.length === 3 && shapeOf(raw).length === 3 && shapeOf(raw)[1] === 1;
      const index = expanded ? raw.map(([row]) => Array(shape[1]).fill(row)) : raw;
      const indexShape = shapeOf(index);
      return { input, raw, index, dim, shape, indexShape, expanded, refusal: refusalOf(shape, index, indexShape, dim) };
    }

    // ---- controls

    const sizes = [["1", "1-D"], ["2", "2-D"], ["3", "3-D"]];
    const ndim = make("fieldset", { "data-control": "dimensions" }, make("legend", {}, "tensor"));
    const group = `g3x-${Math.random().toString(36).slice(2)}`;
    const radios = sizes.map(([value, words]) => {
      const radio = make("input", { type: "radio", name: group });
      view.listen(radio, "change", () => {
        const [input, index, dim] = model.get("start")[value];
        state.here = null;
        view.set({ input, index, dim, expand: false });
      });
      ndim.append(make("label", {}, radio, words));
      return [Number(value), radio];
    });
    view.controls.append(ndim);
    const dims = choice(view, "dim", "dim", [[0, "0"], [1, "1"], [2, "2"]]);
    const at = (value, place) => place.reduce((inside, k) => inside?.[k], value);
    const resize = (fromLast) => (by) => {
      const { raw } = now();
      const shape = shapeOf(raw);
      shape[shape.length - fromLast] += by;
      view.set({ index: filled(shape, (place) => at(raw, place) ?? 0) });
    };
    const rows = stepper(view, "index rows", resize(2)), columns = stepper(view, "columns", resize(1));
    const expand = tick(view, "expand", "expand the index over the channels").parentElement;

    // ---- tables

    const point = (place) => { state.here = place; view.repaint(); };
    const inputs = table(view, "input", { title: "input", kind: "source", onfocus: (place) => point(place && reader(place)) });
    const indices = table(view, "index", { title: "index", kind: "index", onfocus: point, onedit: edit });
    const outputs = table(view, "output", { title: "output", kind: "result", onfocus: point });

    /** The first output cell that reads this input cell, for whoever points at an input. */
    function reader(source) {
      const { index, dim, indexShape, refusal } = now();
      if (refusal) return null;
      return placesOf(indexShape).find((p) => String(read(p, dim, valueAt(index, p))) === String(source)) ?? null;
    }

    function edit(place, text) {
      const { raw, expanded } = now();
      const number = Number(text.trim().replace("−", "-"));
      if (text.trim() === "" || !Number.isInteger(number)) {
        state.typed = `index: got ${JSON.stringify(text)}, wanted a whole number`;
        view.repaint();
        return;
      }
      state.typed = "";
      state.here = place;
      const own = expanded ? [place[0], 0, place[2]] : place;
      view.set({ index: changed(raw, own, number) });
      view.repaint();
    }

    // ---- the picture

    function paint() {
      const { input, index, raw, dim, shape, indexShape, expanded, refusal } = now();
      const n = shape.length;
      for (const [value, radio] of radios) radio.checked = value === n;
      dims.querySelectorAll("label").forEach((label, d) => { label.hidden = d >= n; });
      expand.hidden = n !== 3;
      const rawShape = shapeOf(raw);
      rows.field.hidden = n === 1;
      rows.less.disabled = rawShape[n - 2] <= 1;
      rows.more.disabled = rawShape[n - 2] >= 4 || expanded;
      columns.less.disabled = rawShape[n - 1] <= 1;
      columns.more.disabled = rawShape[n - 1] >= 6;

      const fits = !refusal;
      if (state.here && !(state.here.length === indexShape.length && state.here.every((k, d) => k < indexShape[d]))) state.here = null;
      const here = state.here ?? (indexShape.includes(0) ? null : indexShape.map(() => 0));
      const same = (a, b) => a && b && String(a) === String(b);
      const number = here && valueAt(index, here);
      const source = fits && here ? read(here, dim, number) : null;
      const readers = new Set(fits ? placesOf(indexShape).map((p) => String(read(p, dim, valueAt(index, p)))) : []);
      const outside = (place) => {
        const value = valueAt(index, place);
        return value < 0 || value >= shape[dim] || place.some((k, d) => d !== dim && k >= shape[d]);
      };

      inputs.note(`[${shape.join(", ")}]`);
      indices.note(`[${indexShape.join(", ")}]${expanded ? ", expanded" : ""}`);
      outputs.note(fits ? `[${indexShape.join(", ")}]` : "none");
      inputs.update(shape, (...p) => ({ text: say(valueAt(input, p)), mark: same(p, source), dim: fits && !readers.has(String(p)) }));
      indices.update(indexShape, (...p) => ({ text: say(valueAt(index, p)), mark: same(p, here), kind: outside(p) ? "wrong" : "index" }));
      outputs.update(fits ? indexShape : [0, 0], (...p) => ({ text: say(valueAt(input, read(p, dim, valueAt(index, p)))), mark: same(p, here) }));
      arrows(view, source
        ? [{ from: inputs.cell(...source), to: indices.cell(...here), kind: "source" }, { from: indices.cell(...here), to: outputs.cell(...here), kind: "result" }]
        : []);

      view.refuse(state.typed || (refusal && `torch refuses: ${refusal}`));
      const brackets = (place) => place.map((k) => `[${k}]`).join("");
      if (!source) {
        view.line(here ? "" : "the index is empty, and so is the output");
        view.say(refusal ? "There is no output." : "");
        return;
      }
      const rule = here.map((k, d) => (d === dim ? `[index${brackets(here)}]` : `[${k}]`)).join("");
      view.line(`out${brackets(here)} = input${rule} = input${brackets(source)} = ${say(valueAt(input, source))}`);
      const trap = n === 3 && indexShape[1] === 1 && shape[1] > 1 && dim === 2;
      view.say(trap
        ? `The index has one channel, so only channel 0 of ${shape[1]} came back. Torch says nothing.`
        : `Output ${here} reads input ${source}, by index ${number}. ${readers.size} of ${placesOf(shape).length} input cells are read.`);
    }

    view.follow("input index dim expand", view.repaint);
    view.follow("index", () => { state.typed = ""; });
    view.onpaint(paint);
    return view.end;
  },
};
